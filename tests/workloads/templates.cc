/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C++ with deep templates and exceptions.
 *
 *   templates calls  [--cpu-seconds S]   main → Level<20>::run → … → Level<0>::run
 *   templates throw  [--cpu-seconds S]   … which throws; all have something to destroy, main catches
 */
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>

namespace
{

constexpr int depth = 20;
constexpr std::uint64_t burn_steps = 400000;
constexpr int throws_a_round = 50;

bool throwing;
volatile std::uint64_t sink;

struct thrown {
	std::uint64_t value;
};

/* Its destructor is what the unwinder stops for in each frame. */
struct held {
	std::uint64_t value;
	__attribute__((noinline)) ~held()
	{
		sink = value;
	}
};

double cpu_seconds()
{
	timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return static_cast<double>(ts.tv_sec) + static_cast<double>(ts.tv_nsec) / 1e9;
}

} // namespace

#if defined(__has_attribute) && __has_attribute(noipa)
#define KEPT __attribute__((noipa))
#else
#define KEPT __attribute__((noinline))
#endif

template <int N> struct Level {
	KEPT static std::uint64_t run(std::uint64_t x)
	{
		held h{ x };

		return Level<N - 1>::run(x + N) + h.value;
	}
};

template <> struct Level<0> {
	KEPT static std::uint64_t run(std::uint64_t x)
	{
		if (throwing)
			throw thrown{ x };
		for (std::uint64_t i = 0; i < burn_steps; i++) {
			x = x * 6364136223846793005u + 1442695040888963407u;
			__asm__ volatile("" : "+r"(x));
		}
		return x;
	}
};

static void run_once()
{
	if (!throwing) {
		sink = Level<depth>::run(1);
		return;
	}
	for (int i = 0; i < throws_a_round; i++) {
		try {
			sink = Level<depth>::run(1);
		} catch (const thrown &t) {
			sink = t.value;
		}
	}
}

int main(int argc, char **argv)
{
	double seconds = argc > 3 && std::strcmp(argv[2], "--cpu-seconds") == 0 ? std::atof(argv[3]) : 3;

	throwing = argc > 1 && std::strcmp(argv[1], "throw") == 0;
	while (cpu_seconds() < seconds)
		run_once();
	return 0;
}
