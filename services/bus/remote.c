#include "remote.h"

#include <string.h>
#include <sys/stat.h>

#include "common/bus/command.h"
#include "common/bus/keys.h"

struct mlx_remote {
    zcert_t *certificate;
    zactor_t *authenticator;
    char *keys_dir;
    mlx_value_t *allowed; /* list of {name, key} */
};

static int check_secret(const char *path, mlx_error_t *err)
{
    struct stat status;
    if (stat(path, &status)) {
        mlx_error_set(err, MLX_ERR_NOT_FOUND, "%s: %s", path, strerror(errno));
        return mlx_error_hint(err, "create this machine's keys with `mlxctl keys init`");
    }
    if (status.st_mode & 077) {
        mlx_error_set(err, MLX_ERR_USAGE, "%s is readable by other users", path);
        return mlx_error_hint(err, "chmod 600 %s", path);
    }
    return 0;
}

mlx_remote_t *mlx_remote_new(const char *keys_dir, mlx_error_t *err)
{
    if (!keys_dir) {
        mlx_error_set(err, MLX_ERR_USAGE, "bus.tcp or bus.peers is set, but there are no keys");
        mlx_error_hint(err, "create them with `mlxctl keys init`");
        return NULL;
    }
    MLX_CLEANUP(mlx_free_p) char *public_path = mlx_format("%s/server.key", keys_dir);
    MLX_CLEANUP(mlx_free_p) char *secret_path = mlx_format("%s/server.key_secret", keys_dir);
    if (check_secret(secret_path, err))
        return NULL;
    zcert_t *certificate = zcert_load(public_path);
    if (!certificate) {
        mlx_error_set(err, MLX_ERR_USAGE, "%s is not a certificate", public_path);
        mlx_error_hint(err, "create new keys with `mlxctl keys init --force`");
        return NULL;
    }
    mlx_remote_t *self = mlx_alloc(1, sizeof *self);
    self->certificate = certificate;
    self->keys_dir = mlx_strdup(keys_dir);
    return self;
}

void mlx_remote_destroy(mlx_remote_t **self_p)
{
    mlx_remote_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    zactor_destroy(&self->authenticator);
    zcert_destroy(&self->certificate);
    mlx_value_destroy(&self->allowed);
    free(self->keys_dir);
    free(self);
}

/*  One authenticator per process; it must run before the first CURVE server socket is bound. */
static int start_authenticator(mlx_remote_t *self, mlx_error_t *err)
{
    if (self->authenticator)
        return 0;
    self->authenticator = zactor_new(zauth, NULL);
    MLX_CLEANUP(mlx_free_p) char *allowed = mlx_format("%s/allowed", self->keys_dir);
    struct stat status;
    if (!self->authenticator || stat(allowed, &status) || !S_ISDIR(status.st_mode)) {
        mlx_error_set(err, MLX_ERR_NOT_FOUND, "%s: no allow-list", allowed);
        return mlx_error_hint(err, "allow a machine with `mlxctl keys allow NAME PUBLIC-KEY`");
    }
    zstr_sendx(self->authenticator, "CURVE", allowed, NULL);
    zsock_wait(self->authenticator);
    mlx_remote_reload(self);
    return 0;
}

bool mlx_remote_reload(mlx_remote_t *self)
{
    mlx_value_t *allowed = mlx_value_list();
    mlx_keys_list(self->keys_dir, allowed, NULL);
    bool changed = !self->allowed || !mlx_value_equal(self->allowed, allowed);
    mlx_value_destroy(&self->allowed);
    self->allowed = allowed;
    return changed;
}

static bool is_listed(const mlx_remote_t *self, const char *key)
{
    for (size_t i = 0; i < mlx_value_size(self->allowed); i++) {
        const char *known = mlx_value_str(mlx_value_at(self->allowed, i), "key");
        if (known && strcmp(known, key) == 0)
            return true;
    }
    return false;
}

bool mlx_remote_allows(mlx_remote_t *self, const char *key)
{
    return is_listed(self, key) || (mlx_remote_reload(self) && is_listed(self, key));
}

int mlx_remote_bind(mlx_remote_t *self, zsock_t *socket, const char *endpoint, mlx_error_t *err)
{
    if (strncmp(endpoint, "tcp://", 6) != 0)
        return mlx_error_set(err, MLX_ERR_USAGE,
                             "bus.tcp: \"%s\" is not of the form tcp://HOST:PORT", endpoint);
    if (start_authenticator(self, err))
        return -1;
    /* Options hold for binds made after them: the ipc endpoint stays without CURVE. */
    zcert_apply(self->certificate, socket);
    zsock_set_curve_server(socket, 1);
    zsock_set_zap_domain(socket, "mlx");
    if (zsock_bind(socket, "%s", endpoint) < 0)
        return mlx_error_set(err, MLX_ERR_FAILED, "bus.tcp: cannot listen on %s: %s", endpoint,
                             zmq_strerror(errno));
    return 0;
}

zsock_t *mlx_remote_socket(mlx_remote_t *self, const mlx_peer_t *peer, size_t hwm, mlx_error_t *err)
{
    if (!peer->host || !peer->endpoint || !peer->key || strlen(peer->key) != 40) {
        mlx_error_set(err, MLX_ERR_USAGE, "bus.peers: a peer needs host, endpoint and key");
        mlx_error_hint(err, "the key is the 40 characters that `mlxctl keys show` prints there");
        return NULL;
    }
    zsock_t *socket = zsock_new(ZMQ_SUB);
    if (!socket) {
        mlx_error_set(err, MLX_ERR_FAILED, "bus.peers: %s: %s", peer->host, zmq_strerror(errno));
        return NULL;
    }
    zcert_apply(self->certificate, socket);
    zsock_set_curve_serverkey(socket, peer->key);
    zsock_set_linger(socket, 0);
    zsock_set_rcvhwm(socket, (int)hwm);
    zsock_set_maxmsgsize(socket, MLX_FRAME_MAX_BYTES);
    zsock_set_heartbeat_ivl(socket, 5000);
    zsock_set_heartbeat_timeout(socket, 15000);
    zsock_set_reconnect_ivl(socket, 200);
    zsock_set_reconnect_ivl_max(socket, 5000);
    zsock_set_subscribe(socket, "");
    return socket;
}
