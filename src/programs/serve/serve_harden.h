// SPDX-License-Identifier: MIT
// What the process gives up before it touches books or secrets.
#pragma once
#include <stdbool.h>

// No core dumps: they would hold secrets and other people's money.
void serve_forbid_dumps(void);
// Whether the data folder is ours and nobody else can write to it; said on stderr when not. That
// others can read it is told and mended.
bool serve_check_folder(const char *folder);
