/*  runner_main.h - the child's side of runner.h: a llama-server that shows its parent's slots */
#ifndef MLX_TESTS_DOUBLE_RUNNER_MAIN_H
#define MLX_TESTS_DOUBLE_RUNNER_MAIN_H

/*  The program under the name `llama-server`; returns the exit status. */
int mlx_runner_main(int argc, char **argv);

#endif
