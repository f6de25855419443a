-- SPDX-License-Identifier: MIT
-- A payment writes its wallets anew, on the same page if there is room, and then no index learns of
-- it. While somebody's transaction is open no old version goes, so a page is full once what it had
-- room for is written; from then on each version lies elsewhere, with an entry in each index, which
-- was a quarter of what payments took then. Of pages that are filled to less than half more than
-- half of all versions find room, where it was a third; and as long as nothing is in the way nearly
-- all of them do, also of wallets that are new. It holds for pages that are filled from here on.
-- serves: 104
ALTER TABLE wallets_0 SET (fillfactor = 45);
ALTER TABLE wallets_1 SET (fillfactor = 45);
ALTER TABLE wallets_2 SET (fillfactor = 45);
ALTER TABLE wallets_3 SET (fillfactor = 45);
