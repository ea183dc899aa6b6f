/*  Command lines from one table: parsing, mistakes, help, man page, completion by real shells */
#include "common/cli/args.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int run_nothing(void *arg, const mlx_args_t *args)
{
    (void)args;
    return *(int *)arg;
}

static const mlx_option_t program_options[] = {
    {.name = "json", .letter = 'j', .help = "Print JSON, not text."},
    {.name = "config", .letter = 'c', .value = "FILE", .help = "Settings.", .complete = "file"},
    {0},
};

static const mlx_option_t add_options[] = {
    {.name = "dry-run", .letter = 'n', .help = "Only say what [would] be done: it's safe."},
    {.name = "include", .value = "GLOB", .help = "Files to take."},
    {.name = "format", .value = "FORM", .help = "Form.", .words = "plain|json"},
    {0},
};

static const mlx_args_command_t commands[] = {
    {.name = "status", .summary = "Show all models", .run = run_nothing},
    {.name = "add",
     .operands = "<model>...",
     .min = 1,
     .max = -1,
     .summary = "Get a model",
     .about = ".First paragraph - of two.\n\nSecond\\one.",
     .options = add_options,
     .run = run_nothing},
    {.name = "link",
     .operands = "<app> [<model>]",
     .min = 1,
     .max = 2,
     .summary = "Expose models to an app",
     .complete = "app",
     .run = run_nothing},
    {0},
};

static void put_names(const char *kind, mlx_buf_t *out)
{
    if (strcmp(kind, "app") == 0)
        mlx_buf_puts(out, "ollama\nlmstudio\n");
}

static const mlx_example_t examples[] = {
    {"test_args link ollama", "Links."},
    {"A=1 test_args add org/name", "Adds."},
    {"test_args linked", "Is not of link."},
    {0},
};

static const mlx_program_t program = {
    .self = {.name = "test_args", .summary = "One copy of every model", .options = program_options},
    .commands = commands,
    .examples = examples,
    .see_also = "mlxctl(1)",
    .names = put_names,
};

static const mlx_program_t simple = {
    .self = {.name = "simple",
             .summary = "Does one thing",
             .operands = "[<file>]",
             .max = 1,
             .options = program_options,
             .complete = "file",
             .run = run_nothing},
};

static mlx_args_t *parse(const mlx_program_t *of, const char *line, mlx_buf_t *out,
                         mlx_error_t *err)
{
    /* Operands are borrowed from here until the next call. */
    static char copy[512];
    char *argv[32];
    int argc = 0;
    snprintf(copy, sizeof copy, "%s", line);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    argv[argc] = NULL;
    *err = (mlx_error_t){0};
    mlx_buf_reset(out);
    return mlx_args_parse(of, argc, argv, out, err);
}

static mlx_args_t *parse_well(const mlx_program_t *of, const char *line)
{
    mlx_error_t err;
    mlx_buf_t out = {0};
    mlx_args_t *args = parse(of, line, &out, &err);
    assert_string_equal(err.text, "");
    assert_non_null(args);
    assert_int_equal(out.len, 0);
    mlx_buf_clear(&out);
    return args;
}

static void test_command_with_options_and_operands(void **state)
{
    (void)state;
    mlx_args_t *args = parse_well(
        &program, "p -c a.yaml add --include *.x m1 --json --include=*.y -n m2 --config b.yaml");
    assert_string_equal(mlx_args_command(args)->name, "add");
    assert_int_equal(mlx_args_count(args, "json"), 1);
    assert_int_equal(mlx_args_count(args, "dry-run"), 1);
    assert_int_equal(mlx_args_count(args, "help"), 0);
    assert_string_equal(mlx_args_value(args, "config"), "b.yaml");
    assert_string_equal(mlx_args_value_at(args, "include", 0), "*.x");
    assert_string_equal(mlx_args_value_at(args, "include", 1), "*.y");
    assert_null(mlx_args_value_at(args, "include", 2));
    assert_null(mlx_args_value(args, "format"));
    assert_int_equal(mlx_args_operands(args), 2);
    assert_string_equal(mlx_args_operand(args, 0), "m1");
    assert_string_equal(mlx_args_operand(args, 1), "m2");
    assert_null(mlx_args_operand(args, 2));
    mlx_args_destroy(&args);
    assert_null(args);
}

static void test_dashes_end_the_options(void **state)
{
    (void)state;
    mlx_args_t *args = parse_well(&program, "p add -- --json -n");
    assert_int_equal(mlx_args_count(args, "json"), 0);
    assert_int_equal(mlx_args_operands(args), 2);
    assert_string_equal(mlx_args_operand(args, 0), "--json");
    mlx_args_destroy(&args);
}

static void test_program_without_commands(void **state)
{
    (void)state;
    mlx_args_t *args = parse_well(&simple, "simple file -j");
    assert_ptr_equal(mlx_args_command(args), &simple.self);
    assert_string_equal(mlx_args_operand(args, 0), "file");
    assert_int_equal(mlx_args_count(args, "json"), 1);
    mlx_args_destroy(&args);
}

static void test_caller_keeps_its_argv(void **state)
{
    (void)state;
    char *argv[] = {"p", "add", "m", "-n", NULL};
    mlx_error_t err = {0};
    mlx_buf_t out = {0};
    mlx_args_t *args = mlx_args_parse(&program, 4, argv, &out, &err);
    assert_non_null(args);
    assert_string_equal(argv[2], "m");
    assert_string_equal(argv[3], "-n");
    mlx_args_destroy(&args);
}

static void test_mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *line, *error, *hint;
    } cases[] = {
        {"p help lnk", "there is no command \"lnk\"", "did you mean \"link\"?"},
        {"p statsu", "there is no command \"statsu\"", "did you mean \"status\"?"},
        {"p xyzzy", "there is no command \"xyzzy\"", "see test_args --help"},
        {"p --jsn status", "there is no option \"--jsn\"", "did you mean \"--json\"?"},
        {"p status --dry-run", "there is no option \"--dry-run\"", "see test_args status --help"},
        {"p add --dryrun m", "there is no option \"--dryrun\"", "did you mean \"--dry-run\"?"},
        {"p add --inc=a --qqqqqq=5 m", "there is no option \"--qqqqqq\"",
         "see test_args add --help"},
        {"p -x", "there is no option -x", "see test_args --help"},
        {"p add -nx m", "there is no option -x", "see test_args add --help"},
        {"p add m --include", "--include needs a value (GLOB)", "see test_args add --help"},
        {"p -c", "--config needs a value (FILE)", "see test_args --help"},
        {"p --json=1 status", "--json takes no value", "see test_args --help"},
        {"p add", "an argument is missing: add <model>...", "see test_args add --help"},
        {"p link a b c", "unexpected argument \"c\"", "see test_args link --help"},
        {"p status x", "unexpected argument \"x\"", "see test_args status --help"},
        {"p --generate nonsense", "--generate accepts man, bash, zsh and fish", ""},
        {"p --", "a command is missing", "see test_args --help"},
    };
    mlx_buf_t out = {0};
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        mlx_error_t err;
        assert_null(parse(&program, cases[i].line, &out, &err));
        assert_int_equal(err.code, MLX_ERR_USAGE);
        if (strcmp(err.text, cases[i].error) != 0 || strcmp(err.hint, cases[i].hint) != 0)
            fail_msg("%s gives \"%s; %s\"", cases[i].line, err.text, err.hint);
        assert_int_equal(out.len, 0);
    }
    mlx_buf_clear(&out);
}

static const char *text_of(const mlx_program_t *of, const char *line, mlx_buf_t *out)
{
    mlx_error_t err;
    assert_null(parse(of, line, out, &err));
    assert_int_equal(err.code, MLX_OK);
    return mlx_buf_str(out);
}

static void test_help(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    assert_string_equal(text_of(&program, "p --help", &out),
                        "Usage: test_args [<options>] <command> [<arguments>]\n"
                        "\n"
                        "One copy of every model.\n"
                        "\n"
                        "Commands:\n"
                        "  status  Show all models\n"
                        "  add     Get a model\n"
                        "  link    Expose models to an app\n"
                        "\n"
                        "Options:\n"
                        "  -j, --json         Print JSON, not text.\n"
                        "  -c, --config FILE  Settings.\n"
                        "  -h, --help         Show this help.\n"
                        "  -V, --version      Show the version.\n"
                        "\n"
                        "See test_args <command> --help for details.\n");
    /* Also when the rest of the line is wrong. */
    const char *add = text_of(&program, "p add -h", &out);
    assert_ptr_equal(strstr(add, "Usage: test_args add [<options>] <model>...\n\nGet a model.\n"),
                     add);
    assert_non_null(strstr(add, "\n  -n, --dry-run       Only say what"));
    assert_non_null(strstr(add, "\n      --include GLOB  Files to take.\n"));
    /* The examples of a command, and no others. */
    assert_non_null(strstr(add, "\nExamples:\n  A=1 test_args add org/name\n      Adds.\n"));
    assert_null(strstr(add, "Links."));
    const char *link = text_of(&program, "p link -h", &out);
    assert_non_null(strstr(link, "\nExamples:\n  test_args link ollama\n      Links.\n"));
    assert_null(strstr(link, "Is not of link."));
    assert_string_equal(text_of(&program, "p -V", &out), "test_args (mlx-suite) " MLX_VERSION "\n");
    assert_non_null(
        strstr(text_of(&simple, "simple -h", &out), "Usage: simple [<options>] [<file>]\n"));
    /* A daemon that takes no argument is asked as a program with commands is. */
    mlx_program_t daemon = simple;
    daemon.self.max = 0;
    assert_non_null(strstr(text_of(&daemon, "simple help", &out), "Usage: simple "));
}

static void test_man(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    const char *man = text_of(&program, "p --generate man", &out);
    static const char *const parts[] = {
        ".TH \"test_args\" 1 ",
        ".SH NAME\ntest_args \\- One copy of every model\n",
        ".SS add <model>...\nGet a model.\n.PP\n\\&.First paragraph \\- of two.\n",
        "two.\n.PP\nSecond\\eone.\n",
        ".B \\-n, \\-\\-dry\\-run\n",
        ".SH EXIT STATUS\n",
        ".SH SEE ALSO\nmlx(7), mlx\\-config(5), mlxctl(1)\n",
        ".SH ENVIRONMENT\n.TP\n.B MLX_CONFIG\n",
        ".SH FILES\n",
        ".SH EXAMPLES\n.TP\n.B test_args link ollama\nLinks.\n",
        " One of plain|json.",
    };
    for (size_t i = 0; i < MLX_COUNT(parts); i++)
        if (!strstr(man, parts[i]))
            fail_msg("the man page lacks \"%s\"", parts[i]);
    assert_null(strstr(man, "generate"));
}

static bool has_program(const char *name)
{
    char command[64];
    snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", name);
    return system(command) == 0;
}

/*  Run COMMAND with the text that KIND generates in the file it knows as $1; its output must be
 *  EXPECTED. */
static void assert_shell(const char *kind, const char *command, const char *expected)
{
    char dir[] = "/tmp/mlx-test-args-XXXXXX", path[64], line[1024], output[1024];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/script", dir);
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    char generate[64];
    snprintf(generate, sizeof generate, "p --generate %s", kind);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text_of(&program, generate, &out), file);
    fclose(file);
    /* The completions call the program by its name: make it this very test. */
    char self[256];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(len > 0);
    self[len] = '\0';
    *strrchr(self, '/') = '\0';
    snprintf(line, sizeof line, "PATH='%s':$PATH HOME='%s' TEST_ARGS_AS_PROGRAM=1 %s", self, dir,
             command);
    setenv("SCRIPT", path, 1);
    FILE *shell = popen(line, "r");
    assert_non_null(shell);
    size_t got = fread(output, 1, sizeof output - 1, shell);
    output[got] = '\0';
    pclose(shell);
    snprintf(line, sizeof line, "rm -rf '%s'", dir);
    assert_int_equal(system(line), 0);
    assert_string_equal(output, expected);
}

static void test_bare_name_and_help(void **state)
{
    (void)state;
    static char *const lines[][4] = {{"p", NULL}, {"p", "help", NULL}, {"p", "help", "link", NULL}};
    for (size_t i = 0; i < MLX_COUNT(lines); i++) {
        mlx_buf_t out = {0};
        mlx_error_t err = {0};
        int argc = 0;
        while (lines[i][argc])
            argc++;
        assert_null(mlx_args_parse(&program, argc, (char **)lines[i], &out, &err));
        assert_int_equal(err.code, MLX_OK);
        assert_non_null(strstr(mlx_buf_str(&out), i == 2 ? "test_args link" : "status"));
        mlx_buf_clear(&out);
    }
}

static void test_bash_completion(void **state)
{
    (void)state;
    if (!has_program("bash"))
        skip();
#define BASH(words, last)                                                                          \
    "bash --norc -c '. $SCRIPT; COMP_WORDS=(" words "); COMP_CWORD=" last                          \
    "; _test_args; echo ${COMPREPLY[*]##*/}' 2>&1"
    assert_shell("bash", BASH("test_args \"\"", "1"), "status add link\n");
    assert_shell("bash", BASH("test_args a", "1"), "add\n");
    assert_shell("bash", BASH("test_args -j add --d", "3"), "--dry-run\n");
    assert_shell("bash", BASH("test_args add --format \"\"", "3"), "plain json\n");
    assert_shell("bash", BASH("test_args link \"\"", "2"), "ollama lmstudio\n");
    assert_shell("bash", BASH("test_args link ol", "2"), "ollama\n");
    assert_shell("bash", BASH("test_args --config \"$HOME/scr\"", "2"), "script\n");
}

static void test_zsh_and_fish_completion(void **state)
{
    (void)state;
    if (has_program("zsh"))
        assert_shell("zsh", "zsh -n $SCRIPT 2>&1", "");
    if (has_program("fish")) {
        assert_shell("fish",
                     "fish --no-config -c 'source $SCRIPT; complete -C \"test_args \"' 2>&1"
                     " | cut -f1",
                     "add\nlink\nstatus\n");
        assert_shell("fish",
                     "fish --no-config -c 'source $SCRIPT; complete -C \"test_args link \"'"
                     " 2>&1 | cut -f1",
                     "lmstudio\nollama\n");
        assert_shell("fish",
                     "fish --no-config -c 'source $SCRIPT; complete -C \"test_args add --dr\"' 2>&1"
                     " | cut -f1",
                     "--dry-run\n");
    }
}

static void test_man_page_is_clean(void **state)
{
    (void)state;
    if (!has_program("groff"))
        skip();
    assert_shell("man", "groff -man -Tutf8 -ww -z $SCRIPT 2>&1", "");
}

static void test_main_returns_the_status(void **state)
{
    (void)state;
    int status = 7;
    char *argv[] = {"p", "status", NULL};
    assert_int_equal(mlx_args_main(&program, 2, argv, &status), 7);
}

int main(int argc, char **argv)
{
    int status = 0;
    if (getenv("TEST_ARGS_AS_PROGRAM"))
        return mlx_args_main(&program, argc, argv, &status);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_command_with_options_and_operands),
        cmocka_unit_test(test_dashes_end_the_options),
        cmocka_unit_test(test_program_without_commands),
        cmocka_unit_test(test_caller_keeps_its_argv),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_help),
        cmocka_unit_test(test_man),
        cmocka_unit_test(test_bare_name_and_help),
        cmocka_unit_test(test_bash_completion),
        cmocka_unit_test(test_zsh_and_fish_completion),
        cmocka_unit_test(test_man_page_is_clean),
        cmocka_unit_test(test_main_returns_the_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
