// SPDX-License-Identifier: Apache-2.0
// A unit with much debug information: bench_name_speed.py links many copies of it.
#include <algorithm>
#include <deque>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

// Of this unit alone, so that no copy of a function is left out when units are linked.
namespace
{
template <int N> struct Key {
	int part[N];
	bool operator<(const Key &other) const
	{
		return std::lexicographical_compare(part, part + N, other.part, other.part + N);
	}
};

template <int N> long fill(std::map<Key<N>, std::vector<std::string>> &by_key, std::mt19937 &random)
{
	std::unordered_map<std::string, std::deque<std::tuple<int, Key<N>>>> groups;
	std::set<std::pair<Key<N>, double>> seen;

	for (int i = 0; i < 1000; i++) {
		Key<N> key{};
		std::ostringstream text;

		std::generate(key.part, key.part + N, std::ref(random));
		text << "key " << key.part[N - 1] << " of " << N;
		by_key[key].push_back(text.str());
		groups[text.str()].emplace_back(i, key);
		seen.emplace(key, i / 2.0);
	}
	std::sort(by_key.begin()->second.begin(), by_key.begin()->second.end());
	return std::accumulate(groups.begin(), groups.end(), long(seen.size()),
			       [](long n, const auto &g) { return n + long(g.second.size()); });
}

template <int N> long fill_all(std::mt19937 &random)
{
	std::map<Key<N>, std::vector<std::string>> by_key;
	long n = fill<N>(by_key, random);

	if constexpr (N > 1)
		n += fill_all<N - 1>(random);
	return n;
}

} // namespace

long large_unit(const std::string &text)
{
	static const std::regex words("([a-z]+)-([0-9]+)");
	std::mt19937 random(text.size());
	std::smatch match;

	return fill_all<20>(random) + (std::regex_match(text, match, words) ? match.size() : 0);
}
