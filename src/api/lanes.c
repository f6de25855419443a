// SPDX-License-Identifier: MIT
// Books on several servers: calls that need other servers leave in other rounds, since a round is
// answered as a whole. So whoever needs a server that is slow or hangs waits alone.
#include "api/call.h"
#include "api/flight.h"
#include "api/loop.h"

static struct flight *flight_of(struct api_loop *loop, struct flight *first, uint64_t lane) {
    struct flight *flight = first;
    while (flight->lane != lane && flight->next != NULL)
        flight = flight->next;
    if (flight->lane == lane)
        return flight;
    flight->next = rounds_flight_take(loop);
    flight->next->lane = lane;
    flight->next->opened_ns = first->opened_ns;
    flight->next->first_left_ns = first->first_left_ns;
    flight->next->has_writes = first->has_writes;
    return flight->next;
}

struct flight *lanes_split(struct api_loop *loop, struct flight *flight) {
    struct engine *engine = loop->api->engine;
    struct call *call = flight->first;
    flight->next = NULL;
    // What was decided of calls that come again lies in their round's memory.
    if (engine->port->lane == NULL || call == flight->last || call->submission.again)
        return flight;
    flight->lane = engine->port->lane(engine, &call->submission);
    flight->first = flight->last = NULL;
    flight->last_submission = NULL;
    flight->round.first = NULL;
    flight->round.command_count = 0;
    while (call != NULL) {
        struct call *next = call->next;
        uint64_t lane = engine->port->lane(engine, &call->submission);
        rounds_flight_add(flight_of(loop, flight, lane), call);
        call = next;
    }
    return flight;
}
