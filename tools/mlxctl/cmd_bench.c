/*  mlxctl bench: run a benchmark, show its progress, print its result, compare it with earlier
 *  ones */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_html.h"
#include "bench_view.h"
#include "cmd_bench.h"
#include "common/base/prompt_file.h"
#include "ctl.h"

enum {
    LOAD_LIMIT_MS = 620 * 1000, /* a little more than the bencher allows for loading a model */
    CANCEL_LIMIT_MS = 5000,
};

typedef struct {
    mlx_ctl_t ctl;
    mlx_term_t err_term;
    mlx_call_t *call;
    mlx_timer_t *impatience;
    bool drawn;
    bool interrupted;
    mlx_value_t *result;
    mlx_error_t err;
} bench_t;

static void erase(bench_t *self)
{
    if (self->drawn)
        fputs("\r\033[K", stderr);
    self->drawn = false;
}

static void draw(bench_t *self, const mlx_value_t *progress)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t line = {0};
    if (!self->err_term.tty || self->interrupted)
        return;
    mlx_bench_progress_line(progress, self->err_term.columns, &line);
    fprintf(stderr, "\r%s\033[K", mlx_buf_str(&line));
    fflush(stderr);
    self->drawn = true;
}

static void on_reply(void *arg, mlx_reply_t kind, const mlx_value_t *value, const mlx_error_t *err)
{
    bench_t *self = arg;
    if (kind == MLX_REPLY_PROGRESS) {
        draw(self, value);
        return;
    }
    self->call = NULL;
    if (kind == MLX_REPLY_DONE)
        self->result = mlx_value_copy(value);
    else
        self->err = *err;
    mlx_loop_stop(self->ctl.loop);
}

static void on_impatience(void *arg)
{
    bench_t *self = arg;
    self->impatience = NULL;
    mlx_loop_stop(self->ctl.loop);
}

/*  The first signal asks the bencher to stop and waits for its word; the second does not wait. */
static void on_signal(void *arg, int number)
{
    bench_t *self = arg;
    (void)number;
    if (self->interrupted || !self->call) {
        mlx_loop_stop(self->ctl.loop);
        return;
    }
    erase(self);
    self->interrupted = true;
    mlx_error_set(&self->err, MLX_ERR_INTERRUPTED, "the benchmark was cancelled");
    mlx_bus_cancel(self->ctl.bus, self->call);
    self->impatience = mlx_loop_after(self->ctl.loop, CANCEL_LIMIT_MS, on_impatience, self);
}

static int read_budget(const mlx_args_t *args, mlx_value_t *request, mlx_error_t *err)
{
    const char *text = mlx_args_value(args, "budget");
    char *end = NULL;
    double seconds = text ? strtod(text, &end) : (double)NAN;
    if (text && (end == text || *end || !isfinite(seconds)))
        return mlx_error_set(err, MLX_ERR_USAGE, "--budget %s: not a number of seconds", text);
    mlx_value_set_real(request, "budget", seconds);
    return 0;
}

static mlx_value_t *request_of(const mlx_args_t *args, const char *model, mlx_error_t *err)
{
    const char *path = mlx_args_value(args, "prompts");
    mlx_value_t *request = mlx_value_map();
    mlx_value_t *prompts = path ? mlx_prompt_file_read(path, err) : NULL;
    mlx_value_set_str(request, "model", model);
    mlx_value_set_str(request, "url", mlx_args_value(args, "url"));
    mlx_value_set_str(request, "sweep", mlx_args_value(args, "sweep"));
    if (prompts)
        mlx_value_set(request, "prompts", prompts);
    if ((path && !prompts) || read_budget(args, request, err))
        mlx_value_destroy(&request);
    return request;
}

static int64_t timeout_of(const bench_t *self, const mlx_value_t *request)
{
    double budget_s = (double)mlx_config_int(self->ctl.config, "bench.budget_s");
    mlx_value_real(request, "budget", &budget_s);
    return LOAD_LIMIT_MS + (int64_t)(budget_s * 1000);
}

static int attach(bench_t *self, const mlx_args_t *args)
{
    static const int signals[] = {SIGINT, SIGTERM, 0};
    if (mlx_ctl_connect(&self->ctl, args, &self->err) ||
        mlx_loop_signals(self->ctl.loop, signals, on_signal, self, &self->err))
        return -1;
    mlx_ctl_watch_bus(&self->ctl);
    return 0;
}

static int measure(bench_t *self, const mlx_args_t *args, const char *model)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *request = request_of(args, model, &self->err);
    mlx_value_destroy(&self->result);
    if (!request)
        return -1;
    self->call = mlx_bus_call(self->ctl.bus, "bencher", "bench.run", request,
                              timeout_of(self, request), on_reply, self);
    mlx_loop_run(self->ctl.loop);
    mlx_loop_cancel(self->ctl.loop, &self->impatience);
    erase(self);
    return self->result ? 0 : -1;
}

/*  A result: that which is stored as --stored, or a new one. */
static int obtain(bench_t *self, const mlx_args_t *args, const char *model)
{
    const char *id = mlx_args_value(args, "stored");
    if (!id)
        return measure(self, args, model);
    self->result = mlx_bench_stored(&self->ctl, id, &self->err);
    return self->result ? 0 : -1;
}

/*  Against what the recorder remembers. NULL with ERR when it does not answer. */
static mlx_value_t *compare(bench_t *self, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *list =
        mlx_bench_stored_list(&self->ctl, mlx_value_str(self->result, "model"), NULL, err);
    if (!list) {
        mlx_error_prefix(err, "cannot compare");
        return NULL;
    }
    return mlx_bench_compare(self->result, list, mlx_bus_host(self->ctl.bus));
}

static void print(const mlx_args_t *args, const mlx_value_t *result)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    const mlx_value_t *compared = mlx_value_get(result, "compare");
    mlx_term_t term = mlx_term_look(STDOUT_FILENO, NULL);
    if (mlx_args_count(args, "json")) {
        mlx_ctl_print_json(result);
        return;
    }
    if (mlx_args_count(args, "csv")) {
        mlx_bench_csv(result, &out);
    } else if (mlx_args_count(args, "md")) {
        mlx_bench_markdown(result, &out);
    } else {
        mlx_bench_text(result, &term, &out);
        if (compared)
            mlx_bench_compare_text(compared, &term, &out);
    }
    mlx_ctl_print_text(mlx_buf_str(&out));
}

/*  The files that were asked for beside what is printed. */
static int write_files(bench_t *self, const mlx_args_t *args, const mlx_value_t *results,
                       mlx_error_t *err)
{
    const char *report = mlx_args_value(args, "report"), *seal = mlx_args_value(args, "seal");
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t page = {0};
    mlx_bench_html(results, &page);
    if (report && mlx_bench_write(report, mlx_buf_str(&page), err))
        return -1;
    return seal ? mlx_bench_write_sealed(&self->ctl, self->result, seal, err) : 0;
}

static int run_one(bench_t *self, const mlx_args_t *args)
{
    mlx_error_t err = {0};
    if (obtain(self, args, mlx_args_operand(args, 0)))
        return mlx_ctl_fail(&self->err);
    mlx_value_t *compared = mlx_args_count(args, "compare") ? compare(self, &err) : NULL;
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = mlx_value_list();
    mlx_value_append(list, mlx_value_copy(self->result));
    int rc = write_files(self, args, list, err.code ? NULL : &err);
    if (compared)
        mlx_value_set(self->result, "compare", compared);
    print(args, self->result);
    return err.code || rc ? mlx_ctl_fail(&err) : MLX_OK;
}

/*  Each model in turn; one that fails does not keep the others from being measured. */
static int run_suite(bench_t *self, const mlx_args_t *args)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = mlx_value_list();
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    mlx_term_t term = mlx_term_look(STDOUT_FILENO, NULL);
    int status = MLX_OK;
    for (size_t i = 0; mlx_args_operand(args, i) && !self->interrupted; i++) {
        self->err = (mlx_error_t){0};
        if (measure(self, args, mlx_args_operand(args, i)))
            status = mlx_ctl_fail(&self->err);
        else
            mlx_value_append(list, mlx_value_copy(self->result));
    }
    mlx_error_t err = {0};
    if (mlx_value_size(list) > 0 && write_files(self, args, list, &err))
        status = mlx_ctl_fail(&err);
    if (mlx_args_count(args, "json"))
        mlx_ctl_print_json(list);
    mlx_bench_list_text(list, &term, &out);
    if (!mlx_args_count(args, "json") && mlx_value_size(list) > 0)
        mlx_ctl_print_text(mlx_buf_str(&out));
    return status;
}

/*  What was asked for in contradiction, or 0. */
static int check_usage(const mlx_args_t *args, mlx_error_t *err)
{
    size_t formats =
        mlx_args_count(args, "json") + mlx_args_count(args, "csv") + mlx_args_count(args, "md");
    if (formats > 1)
        return mlx_error_set(err, MLX_ERR_USAGE, "give one of --json, --csv and --md");
    if (mlx_args_count(args, "suite") && !mlx_args_operand(args, 0))
        return mlx_error_set(err, MLX_ERR_USAGE, "--suite: name the models to measure");
    const char *sweep = mlx_args_value(args, "sweep");
    if (sweep && strcmp(sweep, "context") != 0 && strcmp(sweep, "parallel") != 0)
        return mlx_error_set(err, MLX_ERR_USAGE, "--sweep %s: context or parallel", sweep);
    if (sweep && mlx_args_value(args, "prompts"))
        return mlx_error_set(err, MLX_ERR_USAGE, "--sweep has prompts of its own: not --prompts");
    if (!mlx_args_count(args, "suite") && mlx_args_operand(args, 1)) {
        mlx_error_set(err, MLX_ERR_USAGE, "one model at a time");
        return mlx_error_hint(err, "--suite measures several; --compare takes two ids of --list");
    }
    return 0;
}

static int run(bench_t *self, const mlx_args_t *args)
{
    if (mlx_args_count(args, "check"))
        return mlx_bench_check(args);
    if (mlx_args_count(args, "list"))
        return mlx_bench_list(args);
    if (mlx_args_count(args, "compare") && mlx_args_operand(args, 1))
        return mlx_bench_compare_stored(args);
    if (check_usage(args, &self->err) || attach(self, args))
        return mlx_ctl_fail(&self->err);
    return mlx_args_count(args, "suite") ? run_suite(self, args) : run_one(self, args);
}

int mlx_cmd_bench(void *arg, const mlx_args_t *args)
{
    bench_t self = {.err_term = mlx_term_look(STDERR_FILENO, NULL)};
    (void)arg;
    int status = run(&self, args);
    mlx_value_destroy(&self.result);
    mlx_ctl_close(&self.ctl);
    return status;
}
