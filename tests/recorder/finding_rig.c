#include "finding_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "common/base/json.h"
#include "proto/catalogue.h"

static void publish(void *arg, const char *topic, const mlx_value_t *d)
{
    rig_t *rig = arg;
    mlx_error_t err = {0};
    if (mlx_catalogue_check(mlx_catalogue_find(topic), d, &err))
        fail_msg("%s: %s", topic, err.text);
    mlx_buf_printf(&rig->told, "%s %s: %s; %s\n", topic + strlen("finding."),
                   mlx_value_str(d, "state"), mlx_value_str(d, "summary"),
                   mlx_value_str(d, "remedy"));
}

int setup(void **state)
{
    rig_t *rig = mlx_alloc(1, sizeof *rig);
    rig->now = T0;
    rig->findings = mlx_findings_new(&(mlx_findings_hooks_t){.publish = publish, .arg = rig});
    *state = rig;
    return 0;
}

int teardown(void **state)
{
    rig_t *rig = *state;
    mlx_findings_destroy(&rig->findings);
    mlx_buf_clear(&rig->told);
    mlx_free_p(&rig);
    return 0;
}

void say(rig_t *rig, const char *topic, const char *json)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    char name[200];
    mlx_error_t err = {0};
    for (; *json; json++)
        if (*json == '$')
            mlx_buf_printf(&text, "%lld", (long long)rig->now);
        else
            mlx_buf_putc(&text, *json);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *d = mlx_json_parse(text.data, text.len, &err);
    if (!d || mlx_catalogue_check(mlx_catalogue_find(topic), d, &err))
        fail_msg("%s: %s", topic, err.text);
    snprintf(name, sizeof name, "%s", topic);
    mlx_message_t message = {.topic = name, .t = rig->now, .d = d};
    mlx_findings_message(rig->findings, &message);
}

void pass(rig_t *rig, const line_t *lines, int64_t us)
{
    for (int64_t end = rig->now + us; rig->now < end; rig->now += 5 * SECOND) {
        for (const line_t *line = lines; line->topic; line++)
            say(rig, line->topic, line->json);
        mlx_findings_tick(rig->findings, rig->now);
    }
}
