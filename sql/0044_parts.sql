-- SPDX-License-Identifier: MIT
-- Nodes look for many wallets and bank ids at once in the partitions themselves, with a statement
-- for each: through the table that they are partitions of each row would cost twice as much. Who
-- may read and change the table may do so there, too.
-- serves: 38
DELETE FROM privileges WHERE on_what LIKE 'wallets\_0%' OR on_what LIKE 'bank\_ids\_0%';
INSERT INTO privileges VALUES
    ('serving', 'SELECT, UPDATE', 'wallets_0, wallets_1, wallets_2, wallets_3'),
    ('serving', 'SELECT', 'bank_ids_0, bank_ids_1, bank_ids_2, bank_ids_3');
-- Who serves now keeps doing so before privileges are given again, which is behind all migrations.
DO $$ DECLARE
    serving name;
BEGIN
    FOR serving IN SELECT r.role FROM roles r JOIN pg_roles p ON p.rolname = r.role
                   WHERE r.purpose = 'serving' LOOP
        EXECUTE format('GRANT SELECT, UPDATE ON wallets_0, wallets_1, wallets_2, wallets_3 TO %I',
                       serving);
        EXECUTE format('GRANT SELECT ON bank_ids_0, bank_ids_1, bank_ids_2, bank_ids_3 TO %I',
                       serving);
    END LOOP;
END $$;
