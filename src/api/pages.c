// SPDX-License-Identifier: MIT
// The operator's page at "/": files that lie in the program, given to anybody, since they hold
// nothing: what they show they fetch through the API with the key of whoever signs in. The policy
// allows scripts and styles from here alone and none inside the page, so a text of a customer that
// found its way into it as HTML could not run.
#include "api/answers.h"
#include "api/door.h"
#include "api/pages.h"
#include "api/requests.h"

#define POLICY                                                                                     \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "                    \
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

static const struct web_file *find(struct slice path) {
    static const char folder[] = "/web/";
    // Most requests are none of these, and should learn it at once.
    if (path.size != 1 &&
        (path.size < sizeof(folder) || memcmp(path.bytes, folder, sizeof(folder) - 1) != 0))
        return NULL;
    uint32_t count;
    const struct web_file *pages = web_files_all(&count);
    for (uint32_t i = 0; i < count; i++)
        if (slice_equal(slice_of_text(pages[i].path), path))
            return &pages[i];
    return NULL;
}

// A browser that has the file asks whether it is still the same.
static bool has_it(struct http_request *request, const struct web_file *page) {
    return slice_equal(http_header(request, "If-None-Match"), slice_of_text(page->etag));
}

bool pages_answer(struct asking *asking) {
    struct http_request *request = asking->request;
    const struct web_file *page = find(http_path(request));
    struct slice method = http_method(request);
    if (page == NULL || (!slice_equal(method, SLICE("GET")) && !slice_equal(method, SLICE("HEAD"))))
        return false;
    http_add_header(request, "ETag", slice_of_text(page->etag));
    http_add_header(request, "Cache-Control", SLICE("no-cache"));
    http_add_header(request, "Content-Security-Policy", SLICE(POLICY));
    http_add_header(request, "X-Content-Type-Options", SLICE("nosniff"));
    http_add_header(request, "Referrer-Policy", SLICE("no-referrer"));
    bool is_known = has_it(request, page);
    answers_send(asking->loop, request, NULL, asking->started_ns, is_known ? 304 : 200,
                 page->content_type,
                 is_known ? (struct slice){0} : slice_of(page->bytes, page->size));
    return true;
}
