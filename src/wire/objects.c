// SPDX-License-Identifier: MIT
// The answers of the API, member by member, in the order in which they are written.
#include "wire/objects.h"

#include <stddef.h>

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define ID_SCHEMA(prefix) \
    "{\"type\":\"string\",\"pattern\":\"^" prefix "_[0-7][0-9a-hjkmnp-tv-z]{25}$\"}"
#define WORDS(list) "{\"type\":\"string\",\"enum\":[" list "]}"

static const struct object_type types[] = {
    {"WalletId", ID_SCHEMA("wallet"), "a wallet's id"},
    {"TransactionId", ID_SCHEMA("txn"), "a transaction's id"},
    {"HoldId", ID_SCHEMA("hold"), "a hold's id"},
    {"WithdrawalId", ID_SCHEMA("wdl"), "a withdrawal's id"},
    {"KeyId", ID_SCHEMA("key"), "an API key's id"},
    {"OperationId", "{\"type\":\"string\",\"pattern\":\"^op_[0-9a-hjkmnp-tv-z]{52}$\"}",
     "a queued operation's id"},
    {"ApprovalId", ID_SCHEMA("apr"), "an approval's id"},
    {"ApprovalStatus", WORDS("\"pending\",\"approved\",\"refused\",\"rejected\",\"expired\""),
     "`pending`, `approved`, `refused` (approved, but by then the rules said no), `rejected` or "
     "`expired`"},
    {"AnomalyId", ID_SCHEMA("anm"), "an anomaly's id"},
    {"AnomalyStatus",
     WORDS("\"pending\",\"approved\",\"refused\",\"rejected\",\"expired\",\"dismissed\""),
     "`pending`, `approved`, `refused` (approved, but by then the ledger said no), `rejected`, "
     "`expired` or `dismissed`"},
    {"AnomalyAction", WORDS("\"flag\",\"hold\""), "`flag` or `hold`"},
    {"Score", "{\"type\":\"integer\",\"minimum\":1,\"maximum\":100}", "from 1 to 100"},
    {"Request", "{\"type\":\"object\"}", "the fields of the request"},
    {"Refusal", "{\"$ref\":\"#/components/schemas/Problem\"}", "a problem document"},
    {"Text",
     "{\"type\":\"string\",\"minLength\":1,\"maxLength\":255,"
     "\"pattern\":\"^[^\\u0000-\\u001f\\u007f-\\u009f]+$\"}",
     "a text of 1 to 255 characters"},
    {"Sentence", "{\"type\":\"string\"}", "a text"},
    {"Anything", "{\"type\":\"object\"}", "an object of the API"},
    {"OperationStatus", "{\"type\":\"string\",\"enum\":[\"queued\",\"done\",\"refused\"]}",
     "`queued`, `done` or `refused`"},
    {"Flag", "{\"type\":\"boolean\"}", "true or false"},
    {"Amount", "{\"type\":\"integer\",\"minimum\":1,\"maximum\":9007199254740991}",
     "minor units, from 1 to 2^53-1"},
    {"SignedAmount",
     "{\"type\":\"integer\",\"minimum\":-9007199254740991,\"maximum\":9007199254740991}",
     "minor units, below zero only on credit"},
    {"Tier", "{\"type\":\"integer\",\"minimum\":0,\"maximum\":15}",
     "Which limits on spending a wallet has, beside its kind; 0: no tier."},
    {"Held", "{\"type\":\"integer\",\"minimum\":0,\"maximum\":9007199254740991}",
     "minor units, from 0"},
    {"Total", "{\"type\":\"integer\"}", "minor units of many wallets, up to 128 bits"},
    {"Count", "{\"type\":\"integer\",\"minimum\":0}", "a number from 0"},
    {"Version", "{\"type\":\"integer\",\"minimum\":1}", "a number from 1"},
    {"Currency", "{\"type\":\"string\",\"pattern\":\"^[A-Z0-9]{3,12}$\"}",
     "a code of ISO 4217 or of the configuration"},
    {"Time", "{\"type\":\"string\",\"format\":\"date-time\"}", "ISO 8601 in UTC"},
    {"Metadata",
     "{\"type\":\"object\",\"maxProperties\":32,\"propertyNames\":{\"minLength\":1,"
     "\"maxLength\":64,\"pattern\":\"^[^\\u0000-\\u001f\\u007f-\\u009f]+$\"},"
     "\"additionalProperties\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":512,"
     "\"pattern\":\"^[^\\u0000-\\u001f\\u007f-\\u009f]+$\"}}",
     "an object of at most 32 texts: names of up to 64 bytes, values of up to 512"},
    {"AnyId",
     "{\"type\":\"string\",\"pattern\":\"^(wallet|txn|hold|wdl|key|apr)_[0-7]"
     "[0-9a-hjkmnp-tv-z]{25}$\"}",
     "the id of a thing of any type"},
    {"Cursor", "{\"type\":\"string\",\"pattern\":\"^([0-9a-f][0-9a-hjkmnp-tv-z]{12}){2}$\"}",
     "opaque"},
    {"SpendingPeriod", WORDS("\"transaction\",\"day\",\"month\""),
     "`transaction`, `day` or `month`"},
    {"WalletKind", WORDS("\"customer\",\"merchant\""), "`customer` or `merchant`"},
    {"WalletStatus", WORDS("\"active\",\"frozen\",\"closed\""), "`active`, `frozen` or `closed`"},
    {"TransactionType",
     WORDS("\"deposit\",\"withdrawal\",\"purchase\",\"refund\",\"transfer\",\"adjustment\""),
     "`deposit`, `withdrawal`, `purchase`, `refund`, `transfer` or `adjustment`"},
    {"HoldStatus", WORDS("\"open\",\"captured\",\"voided\",\"expired\""),
     "`open`, `captured`, `voided` or `expired`"},
    {"WithdrawalStatus", WORDS("\"pending\",\"settled\",\"failed\""),
     "`pending`, `settled` or `failed`"},
    {"Role", "{\"type\":\"string\"}",
     "`admin`, `service`, `auditor`, `operator`, `support`, `merchant`, `customer`, or one of the "
     "configuration's"},
    {"Account", "{\"type\":\"string\"}",
     "a wallet's id, or a system account such as `external:USD`"},
    {"Code", "{\"type\":\"string\"}", "a stable word, see errors.md"},
    {"Result",
     "{\"type\":\"object\",\"properties\":{\"replayed\":{\"const\":true}},\"anyOf\":["
     "{\"$ref\":\"#/components/schemas/Approval\"},"
     "{\"$ref\":\"#/components/schemas/Anomaly\"},"
     "{\"$ref\":\"#/components/schemas/Wallet\"},{\"$ref\":\"#/components/schemas/Transaction\"},"
     "{\"$ref\":\"#/components/schemas/Withdrawal\"},{\"$ref\":\"#/components/schemas/Hold\"},"
     "{\"$ref\":\"#/components/schemas/QueuedOperation\"},"
     "{\"$ref\":\"#/components/schemas/Problem\"}]}",
     "what the operation alone would have answered, with `replayed` when it is a replay"},
};

static const struct object_member wallet[] = {
    {"id", "WalletId", "", false},
    {"owner", "Text", "whose it is", false},
    {"kind", "WalletKind", "", false},
    {"currency", "Currency", "", false},
    {"status", "WalletStatus", "", false},
    {"balance", "SignedAmount", "what it has, held money included", false},
    {"held", "Held", "by open holds and pending withdrawals", false},
    {"available", "SignedAmount", "`balance` less `held`", false},
    {"credit_limit", "Held", "how far it may be spent below zero", false},
    {"tier", "Tier", "which limits on spending it has, beside its kind; 0: none", false},
    {"version", "Version", "grows by one with each operation that changes it", false},
    {"created_at", "Time", "", false},
    {"metadata", "Metadata", "", true},
};

static const struct object_member side[] = {
    {"account", "Account", "", false},
    {"balance", "SignedAmount", "of the wallet after it; who is bound to an owner sees it on that "
                                "owner's side only", true},
    {"version", "Version", "of the wallet after it; likewise", true},
};

static const struct object_member transaction[] = {
    {"id", "TransactionId", "", false},
    {"type", "TransactionType", "a capture is a purchase with a `hold`", false},
    {"amount", "Amount", "", false},
    {"currency", "Currency", "", false},
    {"debit", "Side", "who paid", false},
    {"credit", "Side", "who was paid", false},
    {"initiated_by", "Text",
     "the principal: an API key's id, or jwt:ISSUER|SUBJECT; hidden from those who are bound to an "
     "owner when it is somebody else's", true},
    {"bank_transaction_id", "Text", "of a deposit or withdrawal", true},
    {"order", "Text", "", true},
    {"reference", "Text", "", true},
    {"reason", "Text", "of a refund or adjustment", true},
    {"purchase", "TransactionId", "of a refund", true},
    {"hold", "HoldId", "of a capture", true},
    {"refunded", "Held", "of a purchase: what went back so far", true},
    {"created_at", "Time", "", false},
    {"metadata", "Metadata", "", true},
};

static const struct object_member withdrawal[] = {
    {"id", "WithdrawalId", "", false},
    {"wallet", "WalletId", "", false},
    {"amount", "Amount", "", false},
    {"currency", "Currency", "", false},
    {"status", "WithdrawalStatus", "", false},
    {"bank_transaction_id", "Text", "once settled", true},
    {"transaction", "TransactionId", "once settled", true},
    {"initiated_by", "Text", "the principal: an API key's id, or jwt:ISSUER|SUBJECT", false},
    {"reason", "Text", "why it failed", true},
    {"reference", "Text", "", true},
    {"metadata", "Metadata", "", true},
    {"created_at", "Time", "", false},
    {"settled_at", "Time", "", true},
};

static const struct object_member hold[] = {
    {"id", "HoldId", "", false},
    {"wallet", "WalletId", "who pays", false},
    {"merchant", "WalletId", "who is paid", false},
    {"amount", "Amount", "", false},
    {"captured", "Held", "paid so far", false},
    {"remaining", "Held", "still held", false},
    {"status", "HoldStatus", "", false},
    {"order", "Text", "", true},
    {"reference", "Text", "", true},
    {"metadata", "Metadata", "", true},
    {"expires_at", "Time", "", false},
    {"created_at", "Time", "", false},
};

static const struct object_member key[] = {
    {"id", "KeyId", "", false},
    {"name", "Text", "", true},
    {"role", "Role", "", false},
    {"owner", "Text", "", true},
    {"created_at", "Time", "", false},
    {"rotated_at", "Time", "when it got its present secret, if not when it was made", true},
    {"overlap_ends_at", "Time", "until when the secret before works too", true},
    {"expires_at", "Time", "", true},
    {"last_used_at", "Time", "", true},
    {"secret", "Sentence", "shown once, by the answer that made it", true},
};

static const struct object_member audit_entry[] = {
    {"at", "Time", "", false},
    {"principal", "Text", "an API key's id, or `system`; nobody who is known: left out", true},
    {"role", "Sentence", "what the principal was then", true},
    {"address", "Sentence", "where the request came from", true},
    {"operation", "Sentence", "its operationId; no such path: left out", true},
    {"resource", "AnyId", "what the request was about", true},
    {"owner", "Text", "whose data were destroyed", true},
    {"outcome", "Code", "`ok`, or the code of the problem that it was answered", false},
    {"replayed", "Flag", "the first answer was given again", true},
    {"request_id", "Sentence", "of the first, when it stands for several", true},
    {"transaction", "TransactionId", "the money that moved, or was looked at", true},
    {"count", "Count", "for how many requests it stands, when not for one", true},
    {"until", "Time", "the last of them", true},
};

static const struct object_member approval[] = {
    {"id", "ApprovalId", "", false},
    {"status", "ApprovalStatus", "", false},
    {"operation", "Sentence", "what was asked, such as `transfer`", false},
    {"request", "Request", "what it was asked with", false},
    {"wallet", "WalletId", "what it is about", false},
    {"amount", "Amount", "", false},
    {"currency", "Currency", "", false},
    {"requested_by", "Text", "the principal who asked", false},
    {"decided_by", "Text", "the principal who approved or rejected", true},
    {"decided_at", "Time", "", true},
    {"reason", "Text", "of the decision", true},
    {"transaction", "TransactionId", "what it made", true},
    {"hold", "HoldId", "what it made", true},
    {"withdrawal", "WithdrawalId", "what it made", true},
    {"refusal", "Refusal", "why it was refused when it was decided again", true},
    {"created_at", "Time", "", false},
    {"expires_at", "Time", "until then it waits", false},
};

static const struct object_member erasure[] = {
    {"owner", "Text", "whose data", false},
    {"erased_at", "Time", "when the data key was destroyed", false},
    {"had_key", "Flag", "false: there was none, so nothing of this owner was encrypted", false},
    {"plain_until", "Time", "texts written before then were never encrypted and stay as they are; "
                            "left out: there are none", true},
};

static const struct object_member anomaly[] = {
    {"id", "AnomalyId", "", false},
    {"status", "AnomalyStatus", "", false},
    {"wallet", "WalletId", "whose payment it is", false},
    {"amount", "Amount", "", true},
    {"currency", "Currency", "", false},
    {"action", "AnomalyAction", "what the rule asks for; the answer to a held payment goes without "
                                "this and the next five", true},
    {"rule", "Text", "what found it", true},
    {"rules_version", "Count", "of the set of rules that was in force", true},
    {"score", "Score", "how sure it is", true},
    {"sentence", "Sentence", "the numbers that led to it", true},
    {"transactions", "[]TransactionId", "what it is about", true},
    {"requested_by", "Text", "of a held payment: the principal who asked", true},
    {"operation", "Sentence", "of a held payment: what was asked, such as `transfer`", true},
    {"request", "Request", "of a held payment: what it was asked with", true},
    {"decided_by", "Text", "the principal who decided; `system`: its time was over", true},
    {"decided_at", "Time", "", true},
    {"comment", "Text", "of the decision", true},
    {"transaction", "TransactionId", "what the held payment made", true},
    {"hold", "HoldId", "what the held payment made, or the flagged one is", true},
    {"withdrawal", "WithdrawalId", "what the held payment made, or the flagged one is", true},
    {"refusal", "Refusal", "why it was refused when it was decided again", true},
    {"created_at", "Time", "", false},
    {"expires_at", "Time", "until then a held payment waits", true},
};

static const struct object_member balance[] = {
    {"wallet", "WalletId", "", false},
    {"currency", "Currency", "", false},
    {"at", "Time", "", false},
    {"balance", "SignedAmount", "after the last transaction up to `at`", false},
    {"version", "Version", "after that transaction; none yet: left out", true},
    {"held", "Held", "only without `at`", true},
    {"available", "SignedAmount", "only without `at`", true},
};

static const struct object_member batch[] = {
    {"results", "[]Result", "one per operation, in order", false},
};

static const struct object_member queue_stop[] = {
    {"slot", "Count", "the home slot that stands still; none: the whole partition does", true},
    {"record", "Count", "the record at which it does", true},
    {"why", "Sentence", "", false},
};

static const struct object_member queue_partition[] = {
    {"id", "Sentence", "as Kafka names it, such as `florin.commands-3`", false},
    {"topic", "Sentence", "", false},
    {"partition", "Count", "", false},
    {"principal", "KeyId", "whose topic it is; none: records say and prove it", true},
    {"first", "Count", "the place of the slot that is furthest behind", false},
    {"last", "Count", "the place of the slot that is furthest ahead", false},
    {"log_begins", "Count", "the first record of the log; none: the broker does not tell", true},
    {"log_ends", "Count", "behind its last record", true},
    {"waiting", "Count", "records that no slot has come to yet", false},
    {"state", "Sentence", "`fits`, or how books and log do not fit each other", false},
    {"stopped", "[]QueueStop", "what waits for a person, as far as the node knows that was asked",
     true},
};

static const struct object_member queue_members[] = {
    {"partitions", "[]QueuePartition", "", false},
};

static const struct object_member queue_decision[] = {
    {"id", "Sentence", "of the partition", false},
    {"next", "Count", "where it goes on (reset), or the offset of the record that was sent off "
                      "(skip) or sent again (retry)", false},
};

static const struct object_member letter[] = {
    {"id", "Sentence", "partition and offset among the letters, such as `0-12`", false},
    {"reason", "Sentence", "", false},
    {"topic", "Sentence", "where it came from", false},
    {"partition", "Sentence", "", false},
    {"offset", "Sentence", "", false},
    {"repeats", "Sentence", "an earlier letter of the same record: its id", true},
    {"principal", "Sentence", "whose it says it is", true},
    {"key", "Sentence", "what is no UTF-8 shows as U+FFFD here and in `value`", false},
    {"value", "Sentence", "", false},
    {"created_at", "Time", "", true},
};

static const struct object_member letters[] = {
    {"items", "[]DeadLetter", "", false},
};

static const struct object_member webhook[] = {
    {"name", "Sentence", "as the configuration has it", false},
    {"url", "Sentence", "where events go; what stands behind a ? is not shown", false},
    {"events", "[]Sentence", "which types of events; left out: all", true},
    {"state", "Sentence", "`delivering`, `retrying` (the last attempt failed), `failing` (and so "
                          "it has been for long), `gone` (it answered 410), `paused`, or "
                          "`standby` (another node delivers)", false},
    {"position", "Count", "of the feed: what lies before it is delivered", false},
    {"feed_end", "Count", "where the feed ends", false},
    {"waiting", "Count", "events that this node has read and not delivered", false},
    {"lag_seconds", "Count", "the age of the oldest of them", false},
    {"oldest_event", "Sentence", "its id", true},
    {"last_error", "Sentence", "why the last attempt failed that did, since this node began", true},
    {"last_error_at", "Time", "", true},
    {"last_delivered_at", "Time", "by this node", true},
};

static const struct object_member webhooks[] = {
    {"items", "[]Webhook", "in the order of the configuration", false},
};

static const struct object_member totals[] = {
    {"currency", "Currency", "", false},
    {"exponent", "Count", "digits behind the point of a major unit", false},
    {"wallets", "Count", "how many", false},
    {"wallet_balances", "Total", "added up wallet by wallet", false},
    {"deposits", "Total", "all that ever came in", false},
    {"withdrawals", "Total", "all that ever went out", false},
    {"difference", "Total", "`wallet_balances` - (`deposits` - `withdrawals`); right is 0", false},
};

static const struct object_member check[] = {
    {"check", "Sentence", "a word for it", false},
    {"rule", "Sentence", "what must be true", false},
    {"count", "Count", "how many things were looked at", false},
    {"differences", "Count", "how many of them broke the rule", false},
};

static const struct object_member in_flight[] = {
    {"currency", "Currency", "missing: nobody has decided yet, or a bank id is noted there alone",
     true},
    {"amount", "Total", "of them together", true},
    {"payments", "Count", "", false},
    {"age_ms", "Count", "of the oldest", false},
};

static const struct object_member integrity[] = {
    {"consistent", "Flag", "", false},
    {"message", "Sentence", "", false},
    {"currencies", "[]CurrencyTotals", "", false},
    {"checked", "[]IntegrityCheck", "what was checked", false},
    {"in_flight", "[]InFlight", "what is under way between shards", false},
    {"depth", "Sentence", "`totals`: the sums are the running ones, the rest is what the last "
                          "recount found; `full`: all of it was added up for this answer", false},
    {"as_of", "Time", "the moment of which it speaks", false},
    {"took_ms", "Count", "how long it took", false},
    {"recounts", "Recounts", "what the background has done", false},
    {"payments_stopped", "Flag", "by configuration, until POST /check-integrity/resume", false},
};

static const struct object_member proof[] = {
    {"wallet", "WalletId", "", false},
    {"consistent", "Flag", "", false},
    {"message", "Sentence", "what was found; a difference down to its transaction", false},
    {"currency", "Currency", "", false},
    {"balance", "SignedAmount", "what its postings add up to", false},
    {"held", "Held", "what its open holds and pending withdrawals add up to", false},
    {"version", "Version", "of the wallet that was proved", false},
    {"postings", "Count", "how many were added up, from its opening on", false},
    {"open_holds", "Count", "", false},
    {"pending_withdrawals", "Count", "", false},
    {"as_of", "Time", "the moment of which it speaks", false},
    {"took_ms", "Count", "how long it took", false},
};

static const struct object_member recounts[] = {
    {"count", "Count", "finished since the start, each from the first record", false},
    {"finished_at", "Time", "of the last one", true},
    {"took_ms", "Count", "with its pauses", true},
    {"progress", "Count", "of the present one, in thousandths", false},
};

static const struct object_member me[] = {
    {"id", "Text", "the principal: an API key's id, or jwt:ISSUER|SUBJECT", false},
    {"role", "Role", "", false},
    {"permissions", "[]Sentence", "words such as `payments:read`", false},
    {"currencies", "[]CurrencyCode", "those that do not have two digits behind the point, "
                                     "and those of the configuration", false},
};

static const struct object_member spending[] = {
    {"wallet", "WalletId", "", false},
    {"kind", "WalletKind", "", false},
    {"currency", "Currency", "", false},
    {"tier", "Tier", "the wallet's", false},
    {"at", "Time", "when this was so", false},
    {"limits", "[]SpendingLimit", "what holds for it; none: it may spend what it has", false},
    {"tiers", "[]TierLimits", "what holds for wallets of its kind and currency", false},
};

static const struct object_member spending_limit[] = {
    {"period", "SpendingPeriod", "a single one, or a day or month of UTC", false},
    {"limit", "Amount", "", false},
    {"spent", "Held", "of a day or month: so far; holds and pending withdrawals count", true},
    {"left", "Held", "", false},
    {"ends_at", "Time", "of a day or month: when the next one begins", true},
};

static const struct object_member tier_limits[] = {
    {"tier", "Tier", "none: all tiers that have no limits of their own", true},
    {"per_transaction", "Amount", "", true},
    {"per_day", "Amount", "", true},
    {"per_month", "Amount", "", true},
};

static const struct object_member exponent[] = {
    {"currency", "Currency", "", false},
    {"exponent", "Count", "how many digits of an amount are behind the point", false},
};

static const struct object_member health[] = {
    {"status", "Sentence", "a word such as `ok`", false},
    {"dependencies", "[]Dependency", "of readiness: what the server stands on", true},
};

static const struct object_member dependency[] = {
    {"name", "Sentence", "such as `store`, `kafka_events`, `redis`, `webhooks`", false},
    {"status", "Sentence", "`ok`, or what is wrong: `hangs`, `away`, `full`", false},
};

static const struct object_member fault[] = {
    {"pointer", "Sentence", "a JSON pointer into the body; of a header or query parameter `/` and "
                            "its name; empty: the whole request", false},
    {"detail", "Sentence", "what is expected there", false},
};

static const struct object_member problem[] = {
    {"type", "Sentence", "a relative URI that names the code", false},
    {"title", "Sentence", "the same for all problems of a code", false},
    {"status", "Count", "the HTTP status code", false},
    {"code", "Code", "", false},
    {"detail", "Sentence", "what happened and what to do next", false},
    {"errors", "[]Fault", "of `invalid_request`: up to 20", true},
    {"operation", "Count", "of an atomic batch: the index of the operation that undid it", true},
};

static const struct object_member operation_members[] = {
    {"id", "OperationId", "", false},
    {"status", "OperationStatus", "", false},
    {"type", "Sentence", "once it is done: what it was, such as `transfer`", true},
    {"result", "Anything", "once it is done: what the request would have been answered with", true},
    {"problem", "Problem", "once it is refused", true},
    {"location", "Sentence", "in a batch's results: where its outcome will be", true},
};

#define PAGE(list, of)                                                              \
    static const struct object_member list[] = {                                    \
        {"items", "[]" of, "newest first", false},                                  \
        {"next_cursor", "Cursor", "there is more: the `cursor` of the next page", true}, \
        {"archived_before", "Time", "there is no more because what is older is archived", true}, \
    }
PAGE(wallet_page, "Wallet");
PAGE(transaction_page, "Transaction");
PAGE(withdrawal_page, "Withdrawal");
PAGE(hold_page, "Hold");
PAGE(key_page, "Key");
PAGE(audit_page, "AuditEntry");
PAGE(approval_page, "Approval");
PAGE(anomaly_page, "Anomaly");

static const struct object table[] = {
    {"Wallet", "Money of one owner in one currency.", wallet, COUNT(wallet), false},
    {"Transaction", "Money that moved; it never changes.", transaction, COUNT(transaction), false},
    {"Side", "One side of a transaction.", side, COUNT(side), false},
    {"Withdrawal", "Money on its way out.", withdrawal, COUNT(withdrawal), false},
    {"Hold", "Money set aside for a merchant.", hold, COUNT(hold), false},
    {"Key", "An API key.", key, COUNT(key), false},
    {"AuditEntry", "Who did what, and what became of it.", audit_entry, COUNT(audit_entry), false},
    {"Approval", "A request that waits for a second person, or did.", approval, COUNT(approval),
     false},
    {"Erasure", "What became of an owner's encrypted texts.", erasure, COUNT(erasure), false},
    {"Anomaly", "What a rule or a watcher found in a payment.", anomaly, COUNT(anomaly), false},
    {"Balance", "A balance, now or in the past.", balance, COUNT(balance), false},
    {"SpendingLimits", "What a wallet may spend.", spending, COUNT(spending), false},
    {"SpendingLimit", "What it may spend at once, or in a time, and what is used of it.",
     spending_limit, COUNT(spending_limit), false},
    {"TierLimits", "The limits of a tier, in minor units.", tier_limits, COUNT(tier_limits), false},
    {"Batch", "What became of a batch.", batch, COUNT(batch), false},
    {"Integrity", "What a check of the books found.", integrity, COUNT(integrity), false},
    {"CurrencyTotals", "The books of one currency.", totals, COUNT(totals), false},
    {"WalletProof", "What adding up one wallet found.", proof, COUNT(proof), false},
    {"IntegrityCheck", "One rule of the books.", check, COUNT(check), false},
    {"InFlight", "Payments that one shard has decided and another not yet booked.", in_flight,
     COUNT(in_flight), false},
    {"Me", "Who asks.", me, COUNT(me), false},
    {"CurrencyCode", "A currency and its exponent.", exponent, COUNT(exponent), false},
    {"Recounts", "Recounts of the books in the background.", recounts, COUNT(recounts), false},
    {"Health", "Whether the server is well.", health, COUNT(health), true},
    {"Dependency", "Something that the server stands on.", dependency, COUNT(dependency), false},
    {"WalletPage", "A page of wallets.", wallet_page, COUNT(wallet_page), false},
    {"TransactionPage", "A page of transactions.", transaction_page, COUNT(transaction_page),
     false},
    {"WithdrawalPage", "A page of withdrawals.", withdrawal_page, COUNT(withdrawal_page), false},
    {"HoldPage", "A page of holds.", hold_page, COUNT(hold_page), false},
    {"KeyPage", "A page of API keys.", key_page, COUNT(key_page), false},
    {"AuditPage", "A page of the audit.", audit_page, COUNT(audit_page), false},
    {"ApprovalPage", "A page of approvals.", approval_page, COUNT(approval_page), false},
    {"AnomalyPage", "A page of anomalies.", anomaly_page, COUNT(anomaly_page), false},
    {"Problem", "A refusal (RFC 9457), with the ids and amounts that it speaks of as further "
                "members.", problem, COUNT(problem), true},
    {"QueuedOperation", "A queued command, and what became of it.", operation_members,
     COUNT(operation_members), false},
    {"Queue", "Where queued commands stand.", queue_members, COUNT(queue_members), false},
    {"QueuePartition", "A partition of a topic of commands.", queue_partition,
     COUNT(queue_partition), false},
    {"QueueStop", "Something that waits for a person.", queue_stop, COUNT(queue_stop), false},
    {"QueueDecision", "What a decision about the queue did.", queue_decision,
     COUNT(queue_decision), false},
    {"DeadLetter", "A queued record that can never succeed.", letter, COUNT(letter), false},
    {"DeadLetters", "Dead letters.", letters, COUNT(letters), false},
    {"Webhook", "An endpoint that is told what was committed.", webhook, COUNT(webhook), false},
    {"Webhooks", "Endpoints of webhooks.", webhooks, COUNT(webhooks), false},
    {"Fault", "One thing that is not valid.", fault, COUNT(fault), false},
};

const struct object_type *object_types(uint32_t *ret_count) {
    *ret_count = COUNT(types);
    return types;
}

const struct object *objects(uint32_t *ret_count) {
    *ret_count = COUNT(table);
    return table;
}

const struct object *object_find(const char *name) {
    for (uint32_t i = 0; i < COUNT(table); i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

const struct object *object_of_answer(enum answer_kind answer) {
    static const char *const names[] = {
        [ANSWER_NOTHING] = "",
        [ANSWER_WALLET] = "Wallet",
        [ANSWER_TRANSACTION] = "Transaction",
        [ANSWER_WITHDRAWAL] = "Withdrawal",
        [ANSWER_HOLD] = "Hold",
        [ANSWER_KEY] = "Key",
        [ANSWER_WALLETS] = "WalletPage",
        [ANSWER_TRANSACTIONS] = "TransactionPage",
        [ANSWER_WITHDRAWALS] = "WithdrawalPage",
        [ANSWER_HOLDS] = "HoldPage",
        [ANSWER_KEYS] = "KeyPage",
        [ANSWER_AUDIT] = "AuditPage",
        [ANSWER_BALANCE] = "Balance",
        [ANSWER_LIMITS] = "SpendingLimits",
        [ANSWER_BATCH] = "Batch",
        [ANSWER_INTEGRITY] = "Integrity",
        [ANSWER_PROOF] = "WalletProof",
        [ANSWER_ME] = "Me",
        [ANSWER_HEALTH] = "Health",
        [ANSWER_METRICS] = "",
        [ANSWER_OPENAPI] = "",
        [ANSWER_OPERATION] = "QueuedOperation",
        [ANSWER_APPROVAL] = "Approval",
        [ANSWER_APPROVALS] = "ApprovalPage",
        [ANSWER_ERASURE] = "Erasure",
        [ANSWER_ANOMALY] = "Anomaly",
        [ANSWER_ANOMALIES] = "AnomalyPage",
        [ANSWER_QUEUE] = "Queue",
        [ANSWER_QUEUE_DECISION] = "QueueDecision",
        [ANSWER_LETTERS] = "DeadLetters",
        [ANSWER_WEBHOOKS] = "Webhooks",
        [ANSWER_WEBHOOK] = "Webhook",
    };
    CHECK((unsigned)answer < COUNT(names));
    return object_find(names[answer]);
}
