/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU time that is spent in signal handlers, main → mode_MODE → interrupted chain → trampoline
 * → on_signal → handler_work. See burn.h.
 *
 *   signals trap            the signal comes at one known instruction, of trapped
 *   signals trap-alt        … and is handled on a stack of its own
 *   signals timer           it comes every millisecond, anywhere in first, second or third
 *   signals timer-alt       … on a stack of its own
 *   signals nested          the handler itself is interrupted: twice on_signal → handler_work
 */
#include <signal.h>
#include <sys/time.h>

#include "burn.h"

#define ALT_SIZE      65536
#define HANDLER_STEPS 200000
#define INTERVAL_US   1000
#define SHORT_STEPS   10
#define SHORT_ROUNDS  10000

#if defined(__x86_64__)
#define TRAP() __asm__ volatile("int3" ::: "memory")
#elif defined(__aarch64__) /* which does not step over it by itself */
#define TRAP() raise(SIGTRAP)
#endif

static volatile sig_atomic_t nested;
static volatile uint64_t sink;

WORK_FUNCTION static void handler_work(void)
{
	if (nested) {
		nested = 0;
		TRAP();
	}
	burn(HANDLER_STEPS);
}

WORK_FUNCTION static void on_signal(int sig)
{
	handler_work();
	BURN_NO_TAIL_CALL();
}

static void handle(int sig, int flags)
{
	static char alt[ALT_SIZE];
	stack_t stack = { .ss_sp = alt, .ss_size = sizeof(alt) };
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = flags };

	if (sigaltstack(&stack, NULL) < 0 || sigaction(sig, &sa, NULL) < 0) {
		perror("signals");
		exit(1);
	}
}

/* --- at a known place ---------------------------------------------------------------------- */

WORK_FUNCTION static void trapped(void)
{
	uint64_t room[4];

	BURN_KEEP(room);
	TRAP();
	BURN_KEEP(room);
}

WORK_FUNCTION static void mode_trap(void)
{
	handle(SIGTRAP, 0);
	trapped();
	BURN_NO_TAIL_CALL();
}

WORK_FUNCTION static void mode_trap_alt(void)
{
	handle(SIGTRAP, SA_ONSTACK);
	trapped();
	BURN_NO_TAIL_CALL();
}

WORK_FUNCTION static void mode_nested(void)
{
	nested = 1;
	handle(SIGTRAP, SA_NODEFER);
	trapped();
	BURN_NO_TAIL_CALL();
}

/* --- anywhere ------------------------------------------------------------------------------ */

WORK_FUNCTION static void third(void)
{
	burn(SHORT_STEPS);
}

WORK_FUNCTION static void second(void)
{
	uint64_t a = sink, b = a * 3, c = a ^ 5;

	__asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c));
	third();
	sink = a + b + c;
}

WORK_FUNCTION static void first(void)
{
	uint64_t room[20];

	BURN_KEEP(room);
	second();
	BURN_KEEP(room);
}

static void start_timer(int flags)
{
	const struct timeval often = { .tv_usec = INTERVAL_US };
	const struct itimerval timer = { .it_interval = often, .it_value = often };

	handle(SIGALRM, flags);
	setitimer(ITIMER_REAL, &timer, NULL);
}

WORK_FUNCTION static void mode_timer(void)
{
	static bool started;

	if (!started)
		start_timer(SA_RESTART);
	started = true;
	for (int i = 0; i < SHORT_ROUNDS; i++)
		first();
}

WORK_FUNCTION static void mode_timer_alt(void)
{
	static bool started;

	if (!started)
		start_timer(SA_RESTART | SA_ONSTACK);
	started = true;
	for (int i = 0; i < SHORT_ROUNDS; i++)
		first();
}

int main(int argc, char **argv)
{
	static const struct burn_mode modes[] = {
		{ "trap", mode_trap },	   { "trap-alt", mode_trap_alt },
		{ "timer", mode_timer },   { "timer-alt", mode_timer_alt },
		{ "nested", mode_nested }, { NULL, NULL },
	};

	(void)argc;
	return burn_main(argv, modes);
}
