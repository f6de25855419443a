// SPDX-License-Identifier: MIT
// Which Florin this is. The build says it once, in the project's meson.build.
#pragma once

// Such as "0.1.0"; static storage. Thread: any.
const char *version_text(void);
