-- SPDX-License-Identifier: MIT
-- Old versions of a wallet are removed by whoever comes to their page by an index, and the writer
-- sees to it that somebody does (desk_clean.c). With vacuum behind every fiftieth row it came over
-- ten million wallets as often as it may, once a minute: it read all pages and wrote those it
-- changed whole into the WAL, and a payment took the server up to a half longer beside it. What is
-- usual, a fifth, is often enough.
-- serves: 104
ALTER TABLE wallets_0 SET (autovacuum_vacuum_scale_factor = 0.2);
ALTER TABLE wallets_1 SET (autovacuum_vacuum_scale_factor = 0.2);
ALTER TABLE wallets_2 SET (autovacuum_vacuum_scale_factor = 0.2);
ALTER TABLE wallets_3 SET (autovacuum_vacuum_scale_factor = 0.2);
