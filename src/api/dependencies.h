// SPDX-License-Identifier: MIT
// What a server needs and whether it is there. Thread: any.
#pragma once
#include "api/api.h"
#include "base/buffer.h"

struct api;

// Whether the server is ready.
bool dependencies_render(struct api *api, struct buffer *buffer);
void dependencies_metrics(struct api *api, struct buffer *buffer);
