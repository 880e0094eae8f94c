/* test_bench_report.c - goal: percentiles and a process' CPU time are what they say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <unistd.h>

#include "bench_report.h"

static void between(double value, double low, double high)
{
    if (value < low || value > high)
        fail_msg("%f is not in %f .. %f", value, low, high);
}

static void percentiles(void **state)
{
    struct histogram h = {0};

    (void)state;
    between(load_percentile(&h, 0.5), 0, 0);
    for (unsigned i = 0; i < 90; i++)
        histogram_add(&h, 20);
    for (unsigned i = 0; i < 10; i++)
        histogram_add(&h, 5000);
    between(load_percentile(&h, 0.5), 16, 32);
    between(load_percentile(&h, 0.9), 16, 32);
    between(load_percentile(&h, 0.95), 4096, 8192);
    between(load_percentile(&h, 1.0), 8192, 8192);
    histogram_add(&h, UINT64_MAX); /* the last bucket */
    between(load_percentile(&h, 1.0), 1e10, 1e11);
}

static void processes(void **state)
{
    volatile uint64_t sum = 0;

    (void)state;
    for (unsigned i = 0; i < 1000 && load_process_cpu_us(getpid()) == 0; i++)
        for (unsigned j = 0; j < 1000000; j++)
            sum += j;
    assert_true(sum < UINT64_MAX);
    assert_true(load_process_cpu_us(getpid()) > 0);
    assert_int_equal(load_process_cpu_us(0), 0);
}

static void errors_add_up(void **state)
{
    struct load_report r = {0};

    (void)state;
    assert_int_equal(load_errors(&r), 0);
    for (unsigned i = 0; i < LOAD_ERRORS; i++)
        r.error[i] = 1;
    assert_int_equal(load_errors(&r), LOAD_ERRORS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles),
        cmocka_unit_test(processes),
        cmocka_unit_test(errors_add_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
