// SPDX-License-Identifier: MIT
// `florin demo`: the row of the command line.
#pragma once

int demo_run(int argc, char **argv);
