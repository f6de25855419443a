// SPDX-License-Identifier: MIT
// The limit of HTTP on this machine: every request gets the same answer of about 300 bytes, on the
// second pass.
#include <stddef.h>

#include "limit_serve.h"

int main(int argument_count, char **arguments) {
    // As large as the answer to a transfer usually is.
    static const char answer[] = "{\"id\":\"txn_01jd9z0n4wf2rbx5wq0r6k8v3e\",\"type\":\"transfer\","
                                 "\"amount\":100,\"currency\":\"USD\","
                                 "\"debit\":{\"account\":\"wallet_01jd9z0n4wf2rbx5wq0r6k8v3a\","
                                 "\"balance\":900,\"version\":7},"
                                 "\"credit\":{\"account\":\"wallet_01jd9z0n4wf2rbx5wq0r6k8v3b\","
                                 "\"balance\":1100,\"version\":9},"
                                 "\"initiated_by\":\"key_01jd9z0n4wf2rbx5wq0r6k8v3c\",\"created_"
                                 "at\":\"2026-11-22T18:28:43.123Z\"}";
    struct limit_options options = limit_read_options(argument_count, arguments, 0);
    return limit_serve(&options, answer, NULL, NULL, NULL);
}
