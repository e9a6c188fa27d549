// SPDX-License-Identifier: Apache-2.0
// What the HTML viewer would show of FILE, counted by its own model.js, as JSON for test_view_html.c:
// node view_html.js FILE [#link]
'use strict';

const fs = require('fs');
const Model = require('../../user/view/assets/model.js');

const html = fs.readFileSync(process.argv[2], 'utf8');
const DATA = /<script type="application\/json" id="profile">([^<>&]*)<\/script>/;
const raw = JSON.parse(DATA.exec(html)[1]);
const link = Model.parseHash(process.argv[3] || '');
const profile = Model.load(raw, 'detail' in link ? link.detail === 'line' : raw.by_line);
const { filter, missing } = Model.filterOfHash(profile, link);
const weights = Model.weigh(profile, filter);
const ms = (v) => Math.round(v / 1e6);

function sumsBy(dimension) {
	const out = {};

	for (const row of Model.groupSums(profile, {}, dimension))
		out[row.group.none ? 'none' : row.group[dimension]] = ms(row.value);
	return out;
}

function functions(by) {
	const rows = Model.sortFunctions(profile, Model.functionSums(profile, weights), by);

	return rows.map((r) => Model.frameName(profile, r.frame) + ' ' + ms(r.self) + ' ' + ms(r.total));
}

function nodes() {
	const out = [];

	for (let i = 0; i < profile.nNodes; i++)
		if (weights.self[i] > 0)
			out.push(Model.pathTo(profile, i).slice(1)
				.map((n) => Model.nodeName(profile, n)).join(';') + ' ' + ms(weights.self[i]));
	return out.sort();
}

// Nothing may lie outside of its parent, and each row's boxes side by side.
function boxes(width) {
	const all = Model.boxes(profile, weights, 0, width, 0.5);
	const rightOf = [];

	for (const box of all.sort((a, b) => a.depth - b.depth || a.x - b.x)) {
		if (box.x < (rightOf[box.depth] || 0) - 1e-6 || box.x + box.w > width + 1e-6)
			throw new Error('boxes overlap: ' + JSON.stringify(box));
		rightOf[box.depth] = box.x + box.w;
	}
	return all.filter((box) => box.depth === 1)
		.map((box) => Model.nodeName(profile, box.node) + ' ' + Math.round(box.w));
}

// What the tooltip of each box has: lines with their weight, and the weight of inlined code.
function details() {
	const out = {};

	for (let i = 1; i < profile.nNodes; i++) {
		const d = Model.nodeDetails(profile, weights, i);
		const path = Model.pathTo(profile, i).slice(1).map((n) => Model.nodeName(profile, n));
		out[path.join(';')] = d.lines.map((l) => l.at + ' ' + ms(l.value)).join() +
			(d.inlined ? ' inlined ' + ms(d.inlined) : '');
	}
	return out;
}

const matches = 'q' in link ? Model.searchFrames(profile, link.q) : null;
const facts = {
	title: profile.title,
	missing,
	total: ms(weights.value),
	count: weights.count,
	truncated: weights.truncated,
	spans: sumsBy('span'),
	traces: sumsBy('trace'),
	services: sumsBy('service'),
	processes: sumsBy('process'),
	threads: sumsBy('thread'),
	kinds: Object.fromEntries(Object.entries(Model.kindSums(profile, weights))
		.filter(([, v]) => v > 0).map(([k, v]) => [k, ms(v)])),
	matched: matches ? ms(Model.matchedValue(profile, weights, matches)) : null,
	self: functions('self'),
	first_by_total: functions('total')[0],
	nodes: nodes(),
	boxes: boxes(1000),
	details: details(),
	hash: Model.formatHash(Model.hashOfFilter(profile, filter)),
	strings: profile.strings,
};

for (const [name, fact] of Object.entries(facts))
	console.log(name + ' ' + JSON.stringify(fact));
