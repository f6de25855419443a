// SPDX-License-Identifier: MIT
// How far the check of books in a database is, on the terminal or in a log.
#pragma once
#include "programs/client/client_progress.h"
#include "watch/verify_postgres.h"

// Examines them as verify_postgres does, and says how far it is on stderr. Thread: any.
MUST_CHECK enum status verify_postgres_telling(const char *url,
                                               struct verify_postgres_report *ret_report);
