-- SPDX-License-Identifier: MIT
-- Which servers these books have lived on. A standby that is promoted begins a new timeline; the
-- first node that writes there leaves a mark, so that a server without the marks that a node has
-- seen is known to be an old or another one.
CREATE TABLE lineage (
    system_identifier bigint NOT NULL,
    timeline bigint NOT NULL CHECK (timeline >= 1),
    token bytea NOT NULL CHECK (length(token) = 16),
    seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (system_identifier, timeline)
);
COMMENT ON TABLE lineage IS
    'Marks of nodes: one per timeline that was written to. A server that lacks one is behind.';
COMMENT ON COLUMN lineage.token IS
    'Random: two servers that were promoted to the same timeline differ in it.';
INSERT INTO privileges VALUES ('serving', 'SELECT, INSERT', 'lineage');
