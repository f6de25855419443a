// SPDX-License-Identifier: MIT
// Those who take a request from the door: each answers it, or leaves it waiting as a call or job.
// Thread: the loop's, for all functions.
#pragma once
#include "api/call.h"
#include "api/door.h"
#include "api/job.h"
#include "engine/wait.h"

void commands_request(struct asking *asking);
void batches_request(struct asking *asking);
void lists_request(struct asking *asking);
void balances_request(struct asking *asking);     // lists.c
void balances_request_now(struct asking *asking); // commands.c
void spending_request(struct asking *asking);
void key_request(struct asking *asking); // one_key.c
// reads.c: whether a read is done beside the writer; then the call is gone.
bool reads_beside(struct asking *asking, struct call *call);
void integrity_request(struct asking *asking);
void integrity_resume_request(struct asking *asking); // resume.c
// Tells whoever follows a check how far it is.
void integrity_tell_progress(struct job *job);
// Ends what he follows with what came out, which may be a problem; or, while a reader still has the
// job, because the server stops.
void integrity_end_stream(struct http_request *request, const struct job *job);
void integrity_cut_stream(struct http_request *request);
void proof_request(struct asking *asking); // wallet_proof.c
void console_request(struct asking *asking);  // queue_console.c
// Reads what a decision's request says and hands it to a reader's thread; a bad one is answered.
void console_start(struct asking *asking, enum job_kind kind);
// Under which key a person's decision is remembered, and what of it makes another request another.
struct decision_key console_key(const struct job *job);
void webhooks_request(struct asking *asking); // webhook_console.c
void public_request(struct asking *asking);
void me_request(struct asking *asking);
void operations_request(struct asking *asking); // queueing.c
// pages.c: true when the path is one of the operator's page, which has been answered then.
bool pages_answer(struct asking *asking);
