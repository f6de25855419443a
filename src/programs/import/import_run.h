// SPDX-License-Identifier: MIT
// `florin import FILE`: the row of the command line.
#pragma once

int import_run(int argc, char **argv);
