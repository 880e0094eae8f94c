/* cli_main.c - the `sluice` program. */
#include "cli.h"

int main(int argc, char **argv)
{
    int status = cli_dispatch(stdout, stderr, argc, argv);

    /* A full disk under `sluice queue list >file` is no success. */
    if (fflush(stdout) != 0 && status == CLI_DONE)
        status = CLI_NO;
    return status;
}
