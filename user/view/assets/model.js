// SPDX-License-Identifier: Apache-2.0
// What the viewer counts: pure functions of the profile, without the page. Runs under node as well.
'use strict';

var Model = (function () {
	const LABELS = ['span', 'trace', 'service', 'process', 'pid', 'thread', 'tid'];
	const DIMENSIONS = {
		span: { title: 'Spans', one: 'span', key: ['span', 'trace'] },
		trace: { title: 'Traces', one: 'trace', key: ['trace'] },
		service: { title: 'Services', one: 'service', key: ['service'] },
		process: { title: 'Processes', one: 'process', key: ['process', 'pid'] },
		thread: { title: 'Threads', one: 'thread', key: ['thread', 'tid', 'process', 'pid'] },
	};
	const KINDS = ['program', 'library', 'kernel', 'unresolved', 'truncated', 'process'];
	const ROOT = 0;
	const NONE = 'none'; // in links: the samples without this label

	// Children of each node as one list with the place where each node's own begin.
	function indexChildren(parent) {
		const n = parent.length;
		const start = new Int32Array(n + 1);
		const list = new Int32Array(Math.max(0, n - 1));

		for (let i = 1; i < n; i++)
			start[parent[i] + 1]++;
		for (let i = 0; i < n; i++)
			start[i + 1] += start[i];
		const next = start.slice();
		for (let i = 1; i < n; i++)
			list[next[parent[i]]++] = i;
		return { start, list };
	}

	function indexDimension(profile, dimension) {
		const key = DIMENSIONS[dimension].key;
		const columns = key.map((label) => profile.origins[label]);
		const groups = [];
		const byKey = new Map();
		const of = new Int32Array(profile.nOrigins);

		for (let i = 0; i < profile.nOrigins; i++) {
			// Outside of spans all is one row, whichever trace it belongs to.
			const alone = dimension === 'span' && columns[0][i] === 0;
			const id = alone ? '' : columns.map((c) => c[i]).join();
			if (!byKey.has(id)) {
				const group = { index: groups.length, none: columns[0][i] === 0 };
				key.forEach((label, k) => { group[label] = profile.strings[columns[k][i]]; });
				group.more = {};
				byKey.set(id, group.index);
				groups.push(group);
			}
			of[i] = byKey.get(id);
			addMore(profile, groups[of[i]], i);
		}
		return { groups, of };
	}

	// Further labels of a group, as sets: a trace has spans of several services.
	function addMore(profile, group, origin) {
		for (const label of ['service', 'process']) {
			const text = profile.strings[profile.origins[label][origin]];
			if (text !== '')
				(group.more[label] = group.more[label] || new Set()).add(text);
		}
	}

	// Numbers keys in the order in which they come first, and then calls first().
	function numbering() {
		const numbers = new Map();

		return (key, first) => {
			if (!numbers.has(key)) {
				numbers.set(key, numbers.size);
				first();
			}
			return numbers.get(key);
		};
	}

	// The data has a frame for each line and each inlined copy: makes them one where they look the same.
	// Lines of one function may be in several files, or in none that is known: it has the first one.
	function mergeFrames(raw, byLine) {
		const key = ['name', 'module', 'kind'].concat(byLine ? ['file', 'line', 'at'] : []);
		const frames = { name: [], module: [], file: [], line: [], kind: [], at: [] };
		const number = numbering();
		const of = raw.frames.name.map((_, i) => number(key.map((f) => raw.frames[f][i]).join(),
			() => Object.keys(frames).forEach((f) =>
				frames[f].push(f !== 'at' || byLine ? raw.frames[f][i] : 0))));

		of.forEach((frame, i) => {
			if (frames.file[frame] !== 0)
				return;
			frames.file[frame] = raw.frames.file[i];
			frames.line[frame] = raw.frames.line[i];
		});
		return { frames, of };
	}

	// The same for nodes. Parents come before their children, here as there.
	function mergeNodes(raw, frameOf) {
		const nodes = { parent: [], frame: [], of: new Int32Array(raw.nodes.parent.length) };
		const number = numbering();

		for (let i = 0; i < nodes.of.length; i++) {
			const parent = i === ROOT ? -1 : nodes.of[raw.nodes.parent[i]];
			const frame = i === ROOT ? -1 : frameOf[raw.nodes.frame[i]];
			nodes.of[i] = number(parent * frameOf.length + frame, () => {
				nodes.parent.push(Math.max(parent, ROOT));
				nodes.frame.push(frame);
			});
		}
		return nodes;
	}

	// What the page's data block says, as arrays that are quick to walk. @byLine: boxes are lines.
	function load(raw, byLine) {
		const { frames, of: frameOf } = mergeFrames(raw, byLine);
		const nodes = mergeNodes(raw, frameOf);
		const parent = Int32Array.from(nodes.parent);
		const profile = {
			byLine,
			hasLines: raw.frames.at.some((line) => line > 0),
			// As in the data: calls of one function from several lines are several nodes.
			calls: { frames: raw.frames, nodes: raw.nodes, sampleNode: raw.samples.node,
				nodeOf: nodes.of },
			title: raw.title,
			unit: raw.unit,
			type: raw.type,
			durationNs: raw.duration_ns,
			periodNs: raw.period_ns,
			timeMs: raw.time_ms,
			strings: raw.strings,
			frames,
			nFrames: frames.name.length,
			parent,
			frame: Int32Array.from(nodes.frame),
			nNodes: parent.length,
			children: indexChildren(parent),
			depth: new Int32Array(parent.length),
			origins: raw.origins,
			nOrigins: raw.origins.span.length,
			sampleNode: Int32Array.from(raw.samples.node, (node) => nodes.of[node]),
			sampleOrigin: Int32Array.from(raw.samples.origin),
			value: Float64Array.from(raw.samples.value),
			count: Float64Array.from(raw.samples.count),
			dimensions: {},
		};

		for (let i = 1; i < profile.nNodes; i++)
			profile.depth[i] = profile.depth[parent[i]] + 1;
		for (const dimension of Object.keys(DIMENSIONS))
			profile.dimensions[dimension] = indexDimension(profile, dimension);
		profile.truncated = findTruncated(profile);
		return profile;
	}

	// 1 for each node whose stack has no known outermost caller.
	function findTruncated(profile) {
		const kind = KINDS.indexOf('truncated');
		const out = new Uint8Array(profile.nNodes);

		for (let i = 1; i < profile.nNodes; i++)
			out[i] = out[profile.parent[i]] || profile.frames.kind[profile.frame[i]] === kind ? 1 : 0;
		return out;
	}

	// filter: dimension to number of group. Which origins pass all of it, but for @except?
	function passing(profile, filter, except) {
		const pass = new Uint8Array(profile.nOrigins).fill(1);

		for (const [dimension, group] of Object.entries(filter)) {
			if (dimension === except)
				continue;
			const of = profile.dimensions[dimension].of;
			for (let i = 0; i < pass.length; i++)
				if (of[i] !== group)
					pass[i] = 0;
		}
		return pass;
	}

	// Weight of every node for the samples that pass the filter.
	function weigh(profile, filter) {
		const pass = passing(profile, filter, null);
		const self = new Float64Array(profile.nNodes);
		const out = { self, pass, calls: null, count: 0, truncated: 0, sorted: new Map() };

		for (let i = 0; i < profile.sampleNode.length; i++) {
			if (!pass[profile.sampleOrigin[i]])
				continue;
			self[profile.sampleNode[i]] += profile.value[i];
			out.count += profile.count[i];
			if (profile.truncated[profile.sampleNode[i]])
				out.truncated += profile.count[i];
		}
		out.total = self.slice();
		for (let i = profile.nNodes - 1; i > 0; i--)
			out.total[profile.parent[i]] += out.total[i];
		out.value = out.total[ROOT];
		return out;
	}

	// Weight of every node of the data, as of profile.calls.
	function weighCalls(profile, weights) {
		const { nodes, sampleNode } = profile.calls;

		if (weights.calls)
			return weights.calls;
		const total = new Float64Array(nodes.parent.length);
		for (let i = 0; i < sampleNode.length; i++)
			if (weights.pass[profile.sampleOrigin[i]])
				total[sampleNode[i]] += profile.value[i];
		for (let i = total.length - 1; i > 0; i--)
			total[nodes.parent[i]] += total[i];
		weights.calls = total;
		return total;
	}

	// How a node's weight came there: { lines: [{ file, at, value }…] heaviest first, inlined }. at: line,
	// 0 if it is not known; inlined: weight of what was inlined into its caller.
	function nodeDetails(profile, weights, node) {
		const { frames, nodes, nodeOf } = profile.calls;
		const total = weighCalls(profile, weights);
		const lines = new Map();
		let inlined = 0;

		for (let i = 1; i < nodeOf.length; i++) {
			if (nodeOf[i] !== node || total[i] === 0)
				continue;
			const frame = nodes.frame[i];
			const key = frames.file[frame] + ':' + frames.at[frame];
			if (!lines.has(key))
				lines.set(key, { file: profile.strings[frames.file[frame]],
					at: frames.at[frame], value: 0 });
			lines.get(key).value += total[i];
			if (frames.inlined[frame])
				inlined += total[i];
		}
		return { inlined, lines: Array.from(lines.values())
			.sort((a, b) => b.value - a.value || a.at - b.at) };
	}

	// Rows of one dimension's table, heaviest first, those without the label last.
	function groupSums(profile, filter, dimension) {
		const { groups, of } = profile.dimensions[dimension];
		const pass = passing(profile, filter, dimension);
		const value = new Float64Array(groups.length);
		const count = new Float64Array(groups.length);

		for (let i = 0; i < profile.sampleNode.length; i++) {
			const origin = profile.sampleOrigin[i];
			if (!pass[origin])
				continue;
			value[of[origin]] += profile.value[i];
			count[of[origin]] += profile.count[i];
		}
		return groups
			.map((group, i) => ({ group, value: value[i], count: count[i] }))
			.filter((row) => row.count !== 0 || row.value !== 0)
			.sort((a, b) => a.group.none - b.group.none || b.value - a.value ||
				a.group.index - b.group.index);
	}

	// Self and total of each function; one that recurs counts once a stack.
	function functionSums(profile, weights) {
		const self = new Float64Array(profile.nFrames);
		const total = new Float64Array(profile.nFrames);
		const onPath = new Int32Array(profile.nFrames);
		const { start, list } = profile.children;
		const cursor = start.slice(0, profile.nNodes);
		let node = ROOT;

		while (node >= 0) {
			// A node comes first before its children, and again after each of them.
			if (node !== ROOT && cursor[node] === start[node])
				enter(node, profile.frame[node]);
			if (cursor[node] < start[node + 1]) {
				node = list[cursor[node]++];
				continue;
			}
			if (node !== ROOT)
				onPath[profile.frame[node]]--;
			node = node === ROOT ? -1 : profile.parent[node];
		}
		return rows();

		function enter(at, frame) {
			self[frame] += weights.self[at];
			if (onPath[frame]++ === 0)
				total[frame] += weights.total[at];
		}
		function rows() {
			const out = [];
			for (let i = 0; i < profile.nFrames; i++) {
				const kind = KINDS[profile.frames.kind[i]];
				if (kind !== 'process' && kind !== 'truncated' && total[i] !== 0)
					out.push({ frame: i, self: self[i], total: total[i] });
			}
			return out;
		}
	}

	function sortFunctions(profile, rows, by) {
		const other = by === 'self' ? 'total' : 'self';

		return rows.sort((a, b) => b[by] - a[by] || b[other] - a[other] ||
			compareText(frameName(profile, a.frame), frameName(profile, b.frame)) ||
			a.frame - b.frame);
	}

	function compareText(a, b) {
		return a < b ? -1 : a > b ? 1 : 0;
	}

	function frameName(profile, frame) {
		const { name, file, at } = profile.frames;
		const line = at[frame] ? ' ' + baseName(profile.strings[file[frame]]) + ':' + at[frame] : '';

		return profile.strings[name[frame]] + line;
	}

	function nodeName(profile, node) {
		return node === ROOT ? 'all' : frameName(profile, profile.frame[node]);
	}

	function frameModule(profile, frame) {
		return profile.strings[profile.frames.module[frame]];
	}

	function frameFile(profile, frame) {
		const file = profile.strings[profile.frames.file[frame]];
		const line = profile.frames.at[frame] || profile.frames.line[frame];

		return file && line ? file + ':' + line : file;
	}

	function frameKind(profile, frame) {
		return KINDS[profile.frames.kind[frame]];
	}

	function baseName(path) {
		return path.slice(path.lastIndexOf('/') + 1);
	}

	// What is searched: text that is no valid regular expression is taken as it stands.
	function compileSearch(text) {
		try {
			return new RegExp(text, 'i');
		} catch (e) {
			return new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'), 'i');
		}
	}

	// 1 for each frame whose name or module matches; null for an empty search.
	function searchFrames(profile, text) {
		if (text === '')
			return null;
		const regex = compileSearch(text);
		const out = new Uint8Array(profile.nFrames);

		for (let i = 0; i < profile.nFrames; i++)
			out[i] = regex.test(frameName(profile, i)) ||
				regex.test(baseName(frameModule(profile, i))) ? 1 : 0;
		return out;
	}

	// What passes through any matching frame; nested matches count once.
	function matchedValue(profile, weights, matches) {
		const covered = new Uint8Array(profile.nNodes);
		let sum = 0;

		for (let i = 1; i < profile.nNodes; i++) {
			covered[i] = covered[profile.parent[i]] || matches[profile.frame[i]];
			if (covered[i])
				sum += weights.self[i];
		}
		return sum;
	}

	// Self weight of each kind of leaf.
	function kindSums(profile, weights) {
		const out = {};

		for (let i = 1; i < profile.nNodes; i++) {
			const kind = frameKind(profile, profile.frame[i]);
			out[kind] = (out[kind] || 0) + weights.self[i];
		}
		return out;
	}

	function sortedChildren(profile, weights, node) {
		let out = weights.sorted.get(node);

		if (out)
			return out;
		const { start, list } = profile.children;
		out = Array.from(list.subarray(start[node], start[node + 1]))
			.filter((child) => weights.total[child] > 0)
			.sort((a, b) => weights.total[b] - weights.total[a] ||
				compareText(frameName(profile, profile.frame[a]),
					frameName(profile, profile.frame[b])) || a - b);
		weights.sorted.set(node, out);
		return out;
	}

	// From the root to @node, both included.
	function pathTo(profile, node) {
		const out = [];

		for (let i = node; i !== ROOT; i = profile.parent[i])
			out.unshift(i);
		out.unshift(ROOT);
		return out;
	}

	// The boxes to draw: { node, depth, x, w } in pixels. Ancestors of @zoom fill the width. Siblings
	// that are thinner than @thin pixels share one box, { rest: their number }, without a node.
	function boxes(profile, weights, zoom, width, thin) {
		const path = pathTo(profile, zoom);
		const out = path.map((node, depth) => ({ node, depth, x: 0, w: width, rest: 0 }));
		const stack = [out[out.length - 1]];
		const scale = weights.total[zoom] > 0 ? width / weights.total[zoom] : 0;

		while (stack.length > 0 && scale > 0) {
			const box = stack.pop();
			const children = sortedChildren(profile, weights, box.node);
			let x = box.x;

			for (let i = 0; i < children.length; i++) {
				const w = weights.total[children[i]] * scale;
				if (w < thin) {
					const rest = restOf(weights, children, i) * scale;
					out.push({ node: -1, depth: box.depth + 1, x, w: rest,
						rest: children.length - i });
					break;
				}
				const child = { node: children[i], depth: box.depth + 1, x, w, rest: 0 };
				out.push(child);
				stack.push(child);
				x += w;
			}
		}
		return out;
	}

	function restOf(weights, children, from) {
		let sum = 0;

		for (let i = from; i < children.length; i++)
			sum += weights.total[children[i]];
		return sum;
	}

	const TIME_NS = {
		nanoseconds: 1, ns: 1, microseconds: 1e3, us: 1e3,
		milliseconds: 1e6, ms: 1e6, seconds: 1e9, s: 1e9,
	};

	function formatScaled(v, scales) {
		if (v === 0)
			return '0 ' + scales[0][1];
		const [from, unit] = scales.find((s) => Math.abs(v) >= s[0] * 0.9995) ||
			scales[scales.length - 1];
		const n = v / from;
		return n.toFixed(from <= 1 ? 0 : Math.abs(n) < 99.95 ? 2 : 1) + ' ' + unit;
	}

	function formatValue(profile, v) {
		const ns = TIME_NS[profile.unit];

		if (ns)
			return formatScaled(v * ns, [[1e9, 's'], [1e6, 'ms'], [1e3, 'µs'], [1, 'ns']]);
		if (profile.unit === 'bytes')
			return formatScaled(v, [[2 ** 40, 'TiB'], [2 ** 30, 'GiB'], [2 ** 20, 'MiB'],
				[2 ** 10, 'KiB'], [1, 'B']]);
		return formatCount(v);
	}

	function formatCount(n) {
		return String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, '\u2009');
	}

	function formatPercent(part, whole) {
		const p = whole ? 100 * part / whole : 0;

		return (p > 0 && p < 0.1 ? '<0.1' : p.toFixed(1)) + '%';
	}

	// The state as a link's #fragment: what is empty or default is left out.
	function formatHash(state) {
		return Object.entries(state)
			.filter(([, v]) => v !== undefined && v !== null && v !== '')
			.map(([k, v]) => k + '=' + encodeURIComponent(v))
			.join('&');
	}

	function parseHash(text) {
		const out = Object.create(null);

		for (const part of text.replace(/^#/, '').split('&')) {
			const at = part.indexOf('=');
			if (at <= 0)
				continue;
			try {
				out[part.slice(0, at)] = decodeURIComponent(part.slice(at + 1));
			} catch (e) {
				continue; // a cut-off %-escape: as if it were not there
			}
		}
		return out;
	}

	// The heaviest group of @dimension whose labels are those in @state, or -1.
	function findGroup(profile, dimension, state) {
		const wanted = DIMENSIONS[dimension].key.filter((label) => label in state);
		const none = state[DIMENSIONS[dimension].key[0]] === NONE;
		const same = (group, label) => label === 'span' || label === 'trace' ?
			group[label].toLowerCase() === state[label].toLowerCase() :
			group[label] === state[label];
		const row = groupSums(profile, {}, dimension).find(({ group }) => none ? group.none :
			wanted.every((label) => same(group, label)));

		return row ? row.group.index : -1;
	}

	// A link's filter: { filter, missing: [dimension…] }.
	function filterOfHash(profile, state) {
		const out = { filter: {}, missing: [] };
		const asked = [];

		if ('span' in state)
			asked.push('span');
		else if ('trace' in state)
			asked.push('trace');
		if ('service' in state)
			asked.push('service');
		if ('tid' in state || 'thread' in state)
			asked.push('thread');
		else if ('pid' in state || 'process' in state)
			asked.push('process');
		for (const dimension of asked) {
			const group = findGroup(profile, dimension, state);
			if (group < 0)
				out.missing.push(dimension);
			else
				out.filter[dimension] = group;
		}
		return out;
	}

	// The reverse. A span without its trace would find another trace's span of this id.
	function hashOfFilter(profile, filter) {
		const out = {};

		for (const [dimension, index] of Object.entries(filter)) {
			const group = profile.dimensions[dimension].groups[index];
			for (const label of DIMENSIONS[dimension].key)
				out[label] = group[label];
			if (group.none)
				out[DIMENSIONS[dimension].key[0]] = NONE;
		}
		return out;
	}

	return {
		LABELS, DIMENSIONS, KINDS, ROOT, load, weigh, nodeDetails, groupSums, functionSums, sortFunctions,
		frameName, nodeName, frameModule, frameFile, frameKind, baseName, searchFrames, matchedValue,
		kindSums, sortedChildren, pathTo, boxes, formatValue, formatCount, formatPercent,
		formatHash, parseHash, filterOfHash, hashOfFilter,
	};
})();

if (typeof module !== 'undefined')
	module.exports = Model;
