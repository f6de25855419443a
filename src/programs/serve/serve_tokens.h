// SPDX-License-Identifier: MIT
// Opens what checking tokens needs: roles by their names, and the issuers' keys.
#pragma once
#include "access/token_keys.h"
#include "programs/config/config.h"

// NULL keys when the configuration trusts no issuer. False: said on stderr why not.
bool serve_open_tokens(struct config *config, struct token_keys **ret_keys);
