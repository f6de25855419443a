// SPDX-License-Identifier: MIT
// Who asks, as everything behind the door is told of him.
#include "api/door.h"
#include "api/loop.h"

struct slice asker_principal(const struct asking *asking, char room[ID_TEXT_BYTES_MAX]) {
    const struct principal *principal = &asking->principal;
    if (principal->token_until_ms != 0)
        return principal->token;
    return slice_of(room, id_format(ID_KEY, principal->key, room));
}

struct slice asker_bound_to(const struct asking *asking, struct arena *arena) {
    bool is_lasting = asking->principal.token_until_ms == 0 || asking->bound_to.size == 0;
    return is_lasting ? asking->bound_to : arena_copy(arena, asking->bound_to);
}

struct origin asker_origin(const struct asking *asking, struct arena *arena) {
    char key[ID_TEXT_BYTES_MAX];
    struct origin origin = {.principal = arena_copy(arena, asker_principal(asking, key)),
                            .request_id = arena_copy(arena, asking->request_id),
                            .trace = trace_of(asking, arena),
                            .role = asking->principal.role};
    memcpy(origin.address, http_address(asking->request), sizeof(origin.address));
    return origin;
}

struct wire_context asker_wire_context(struct asking *asking, struct arena *arena) {
    struct api *api = asking->loop->api;
    CHECK(asking->principal.role < ROLES_MAX);
    struct wire_context wire = {
        .parser = asking->loop->parser,
        .arena = arena,
        .currencies = &api->currencies,
        .seal = &api->engine->seal,
        .origin = asker_origin(asking, arena),
        .principal_key = asking->principal.key,
        .token_until_ms = asking->principal.token_until_ms,
        .allowed_commands = api->allowed_commands[asking->principal.role],
        .bound_to = asker_bound_to(asking, arena),
        .path_owner = asking->token,
        .closed_guards = api->closed_guards[asking->principal.role],
        .roles = &api->wire_roles,
    };
    return wire;
}
