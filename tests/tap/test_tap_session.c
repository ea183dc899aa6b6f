/*  One connection as the tap sees it: which reply belongs to which request, and how each ends. */
#include "services/watcher/tap_session.h"
#include "tests/tap/support.h"

/*  What a session told: "+id" begun, "*id" first text, "-id model outcome tokens" finished. */
typedef struct {
    mlx_tap_session_t *session;
    uint64_t ids;
    mlx_buf_t told;
} ear_t;

static uint64_t on_begun(void *arg)
{
    ear_t *ear = arg;
    mlx_buf_printf(&ear->told, "+%d ", (int)++ear->ids);
    return ear->ids;
}

static void on_first_text(void *arg, uint64_t id)
{
    ear_t *ear = arg;
    mlx_buf_printf(&ear->told, "*%d ", (int)id);
}

static void on_finished(void *arg, uint64_t id, const mlx_stream_figures_t *figures,
                        const mlx_tap_caller_t *caller)
{
    (void)caller;
    ear_t *ear = arg;
    mlx_buf_printf(&ear->told, "-%d %s %s %d ", (int)id, figures->model,
                   mlx_stream_outcome_name(figures->outcome), (int)figures->generated_tokens);
}

static const mlx_tap_session_events_t events = {on_begun, on_first_text, on_finished};

/*  What the sides say: "c" the client, "s" the server, "C" and "S" that they say no more. */
typedef struct {
    char side;
    const char *bytes;
} said_t;

enum {
    MOST_SAID = 12
};

typedef struct {
    const char *name;
    const char *told;
    said_t said[MOST_SAID];
    bool lost;
} case_t;

#define ASK(model)                                                                                 \
    "POST /api/generate HTTP/1.1\r\nContent-Length: 13\r\n\r\n{\"model\":\"" model "\"}"
#define STREAM "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
#define CHUNKED STREAM "Transfer-Encoding: chunked\r\n\r\n"
#define TOKEN "{\"response\":\"a\"}\n"
#define CHUNK "11\r\n" TOKEN "\r\n"
#define FAILURE "1d\r\n{\"error\":\"context canceled\"}\n\r\n"
#define DONE "1c\r\n{\"response\":\"\",\"done\":true}\n\r\n"
#define END "0\r\n\r\n"
#define EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

static const case_t cases[] = {
    {"one", "+1 *1 -1 a ok 2 ", {{'c', ASK("a")}, {'s', CHUNKED CHUNK CHUNK END}}, false},
    {"two in turn",
     "+1 *1 -1 a ok 1 +2 -2 b ok -1 ",
     {{'c', ASK("a")}, {'s', CHUNKED CHUNK END}, {'c', ASK("b")}, {'s', EMPTY}},
     false},
    {"two ahead, one not measured between",
     "+1 +2 *1 -1 a ok 1 *2 -2 b ok 2 ",
     {{'c', ASK("a") "GET /api/ps HTTP/1.1\r\n\r\n" ASK("b")},
      {'s', CHUNKED CHUNK END EMPTY CHUNKED CHUNK CHUNK END}},
     false},
    {"the reply to a head has no body",
     "+1 *1 -1 a ok 1 ",
     {{'c', "HEAD / HTTP/1.1\r\n\r\n" ASK("a")},
      {'s', "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" CHUNKED CHUNK END}},
     false},
    {"only posts are measured", "", {{'c', "GET /api/chat HTTP/1.1\r\n\r\n"}, {'s', EMPTY}}, false},
    {"a reply before the request is complete",
     "+1 -1  error -1 ",
     {{'c', "POST /api/chat HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc"},
      {'s', "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"},
      {'c', "defghi"}},
     false},
    {"until the connection closes",
     "+1 *1 -1 a ok 1 ",
     {{'c', ASK("a")}, {'s', STREAM "\r\n" TOKEN}, {'S', NULL}},
     false},
    {"the server stops in the middle",
     "+1 *1 -1 a server_abort 1 ",
     {{'c', ASK("a")}, {'s', CHUNKED CHUNK}, {'S', NULL}},
     false},
    {"the client gives up, then the server stops",
     "+1 *1 -1 a client_abort 1 ",
     {{'c', ASK("a")}, {'s', CHUNKED CHUNK}, {'C', NULL}, {'S', NULL}},
     false},
    {"the client closes its side, and the server ends its reply with an error",
     "+1 *1 -1 a client_abort 2 ",
     {{'c', ASK("a")}, {'s', CHUNKED CHUNK CHUNK}, {'C', NULL}, {'s', FAILURE END}},
     false},
    {"the client closes its side, and the server ends without a final marker",
     "+1 *1 -1 a client_abort 2 ",
     {{'c', ASK("a")}, {'s', CHUNKED CHUNK CHUNK}, {'C', NULL}, {'s', END}},
     false},
    {"the client closes its side and waits for the whole reply",
     "+1 *1 -1 a ok 2 ",
     {{'c', ASK("a")}, {'C', NULL}, {'s', CHUNKED CHUNK CHUNK DONE END}},
     false},
    {"an error while the client waits",
     "+1 *1 -1 a error 1 ",
     {{'c', ASK("a")}, {'s', CHUNKED CHUNK FAILURE END}},
     false},
    {"another protocol",
     "",
     {{'c', "GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"},
      {'s', "HTTP/1.1 101 Switching\r\n\r\n"},
      {'c', ASK("a")},
      {'s', EMPTY}},
     true},
    {"a reply that cannot be followed",
     "+1 *1 -1 a lost 1 ",
     {{'c', ASK("a")}, {'s', CHUNKED CHUNK "zz\r\n"}, {'s', CHUNK}, {'S', NULL}},
     true},
    {"a request that cannot be followed",
     "+1 -1 a lost -1 ",
     {{'c', ASK("a") "\x16\x03\x01\r\n"}, {'s', CHUNKED CHUNK END}},
     true},
    {"a reply to nothing", "", {{'s', EMPTY}}, true},
};

static void say(ear_t *ear, const said_t *said, size_t piece)
{
    size_t len = said->bytes ? strlen(said->bytes) : 0;
    for (size_t at = 0; at < len; at += piece) {
        size_t n = len - at < piece ? len - at : piece;
        if (said->side == 'c')
            mlx_tap_session_client(ear->session, said->bytes + at, n, 1);
        else
            mlx_tap_session_server(ear->session, said->bytes + at, n, 2);
    }
    if (said->side == 'C')
        mlx_tap_session_client_eof(ear->session, 3);
    if (said->side == 'S')
        mlx_tap_session_server_eof(ear->session, 3);
}

static void every_case(void **state)
{
    (void)state;
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        for (size_t piece = 1; piece < 400; piece += 57) {
            ear_t ear = {0};
            ear.session = mlx_tap_session_new(&events, NULL, &ear);
            for (size_t n = 0; n < MOST_SAID && cases[i].said[n].side; n++)
                say(&ear, &cases[i].said[n], piece);
            bool following = mlx_tap_session_following(ear.session);
            mlx_tap_session_destroy(&ear.session);
            if (strcmp(mlx_buf_str(&ear.told), cases[i].told) != 0 || following == cases[i].lost)
                fail_msg("%s, in pieces of %zu: told %s", cases[i].name, piece,
                         mlx_buf_str(&ear.told));
            mlx_buf_clear(&ear.told);
        }
    }
}

/*  More requests ahead than anyone sends: followed up to a limit, then not at all. */
static void too_far_ahead(void **state)
{
    (void)state;
    for (int ahead = 32; ahead <= 33; ahead++) {
        ear_t ear = {0};
        ear.session = mlx_tap_session_new(&events, NULL, &ear);
        for (int i = 0; i < ahead; i++)
            say(&ear, &(said_t){'c', ASK("a")}, 1000);
        assert_int_equal(mlx_tap_session_following(ear.session), ahead == 32);
        for (int i = 0; i < ahead; i++)
            say(&ear, &(said_t){'s', EMPTY}, 1000);
        assert_int_equal(ear.ids, 32);
        assert_non_null(strstr(ear.told.data, ahead == 32 ? "-32 a ok" : "-32 a lost"));
        mlx_tap_session_destroy(&ear.session);
        mlx_buf_clear(&ear.told);
    }
}

static void add_model(void *arg, uint64_t id, const mlx_stream_figures_t *figures,
                      const mlx_tap_caller_t *caller)
{
    (void)caller;
    mlx_buf_printf(arg, "%d %s ", (int)id, figures->model);
}

static void what_runs_can_be_asked(void **state)
{
    (void)state;
    ear_t ear = {0};
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t running = {0};
    ear.session = mlx_tap_session_new(&events, NULL, &ear);
    say(&ear, &(said_t){'c', ASK("a") "GET / HTTP/1.1\r\n\r\n" ASK("b") ASK("c")}, 1000);
    say(&ear, &(said_t){'s', EMPTY}, 1000);
    mlx_tap_session_each(ear.session, 5, add_model, &running);
    assert_string_equal(running.data, "2 b 3 c ");
    mlx_tap_session_end(ear.session, MLX_STREAM_CLIENT_ABORT, 6);
    assert_non_null(strstr(ear.told.data, "-2 b client_abort -1 -3 c client_abort -1 "));
    mlx_buf_reset(&running);
    mlx_tap_session_each(ear.session, 7, add_model, &running);
    assert_int_equal(running.len, 0);
    mlx_tap_session_destroy(&ear.session);
    mlx_buf_clear(&ear.told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case),
        cmocka_unit_test(too_far_ahead),
        cmocka_unit_test(what_runs_can_be_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
