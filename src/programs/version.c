// SPDX-License-Identifier: MIT
// The only file that is compiled with the version, so that a new one builds nothing else again.
#include "programs/version.h"

const char *version_text(void) {
    return FLORIN_VERSION;
}
