-- SPDX-License-Identifier: MIT
-- What came along with a slot may have younger numbers than all that this shard has made itself:
-- whoever brings rows of slots up to date does not look through it.
-- serves: 45
CREATE OR REPLACE FUNCTION heads_write() RETURNS void
LANGUAGE sql SET search_path = florin, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off
AS $$
    UPDATE slots s SET chain = n.chain, last_record = n.last_record,
        record_count = s.record_count + n.added, round = b.round_count
    FROM books b, (SELECT slot, count(*) AS added, max(number) AS last_record,
                          (array_agg(chain ORDER BY number DESC))[1] AS chain
                   FROM records WHERE number > (SELECT heads_record FROM books) AND
                       number <= (SELECT last_record FROM books) AND came IS NULL
                   GROUP BY slot) n
    WHERE s.slot = n.slot;
    UPDATE books SET heads_record = last_record
$$;
