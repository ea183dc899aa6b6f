/*  finding_rig.h - findings fed with messages as their services would send them
 *
 *      pass(rig, lines, 5 * MINUTE);
 *      assert_non_null(strstr(mlx_buf_str(&rig->told), "swapping firing"));
 */
#ifndef MLX_TESTS_FINDING_RIG_H
#define MLX_TESTS_FINDING_RIG_H

#include "services/recorder/findings.h"

#define SECOND INT64_C(1000000)
#define MINUTE (60 * SECOND)
#define T0 INT64_C(1795000000000000)

typedef struct {
    mlx_findings_t *findings;
    int64_t now;
    mlx_buf_t told; /* "rule state: summary; remedy" lines */
} rig_t;

/*  For cmocka. */
int setup(void **state);
int teardown(void **state);

/*  JSON, of which "$" stands for the time now in microseconds. */
void say(rig_t *rig, const char *topic, const char *json);

typedef struct {
    const char *topic, *json;
} line_t;

/*  The lines again every five seconds, as their services would. */
void pass(rig_t *rig, const line_t *lines, int64_t us);

#define OLLAMA "runtime.ollama.here."
#define LLAMA "runtime.llamacpp.there."
#define LOADED(name, more)                                                                         \
    "{\"reachable\":true,\"kind\":\"ollama\",\"url\":\"http://"                                    \
    "here\",\"models\":[{\"name\":\"" name "\"," more "}]}"
#define NOTHING "{\"reachable\":true,\"kind\":\"ollama\",\"url\":\"http://here\",\"models\":[]}"
#define WHOLE "\"size\":9000000000,\"vram\":9000000000,\"context\":4096"
#define LAST(more)                                                                                 \
    "{\"busy\":false,\"model\":\"m:1b\",\"last\":{\"model\":\"m:1b\",\"t\":$," more "}}"

#endif
