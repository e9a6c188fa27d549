// SPDX-License-Identifier: Apache-2.0
// The page: lists, search, links and keys around the flame graph.
'use strict';

(function () {
	const make = List.make;
	const $ = (id) => document.getElementById(id);
	const raw = JSON.parse($('profile').textContent);
	let profile = Model.load(raw, raw.by_line);
	const KIND_NAMES = { program: 'program', library: 'libraries', kernel: 'kernel',
		unresolved: 'no name', truncated: 'truncated', process: 'process' };

	const state = {
		filter: {}, // dimension to number of group
		by: 'span',
		sort: 'self',
		zoom: Model.ROOT,
		search: '',
		fn: -1, // highlighted frame
		icicle: false,
		colour: 'kind',
		weights: null,
	};

	const flame = new Flame($('flame'), $('flame-space'), $('canvas'), {
		zoom: setZoom,
		hover: showTooltip,
		cursor: (node) => { $('status').textContent = describe(node); },
	});
	const groups = new List($('groups'), {
		rowHeight: 46,
		draw: drawGroup,
		isSelected: (row) => state.filter[state.by] === row.group.index,
		choose: (row) => toggleFilter(state.by, row.group.index),
		nothing: 'Nothing matches.',
	});
	const functions = new List($('functions'), {
		rowHeight: 42,
		draw: drawFunction,
		isSelected: (row) => state.fn === row.frame,
		choose: (row) => { state.fn = state.fn === row.frame ? -1 : row.frame; refresh('mark'); },
		nothing: 'No function is shown.',
	});

	const LINES_SHOWN = 5; // of a function, in its tooltip

	const value = (v) => Model.formatValue(profile, v);

	function plural(n, one) {
		const many = /s$/.test(one) ? one + 'es' : one + 's';
		return Model.formatCount(n) + ' ' + (n === 1 ? one : many);
	}

	// --- header ---------------------------------------------------------------------------

	function fact(strong, rest, className, title) {
		const li = make('li', className);

		li.append(make('b', '', strong), rest ? ' ' + rest : '');
		li.title = title || '';
		return li;
	}

	function drawFacts() {
		const w = Model.weigh(profile, {});
		const rows = Model.groupSums(profile, {}, 'span').filter((r) => !r.group.none);
		const inside = rows.reduce((sum, r) => sum + r.value, 0);
		const out = [fact(value(w.value), profile.type === 'cpu' ? 'CPU time' : profile.type),
			fact(Model.formatCount(w.count), 'samples')];

		const hz = profile.periodNs > 0 ?
			'at ' + Number((1e9 / profile.periodNs).toPrecision(4)) + ' Hz' : '';

		if (profile.durationNs > 0)
			out.push(fact((profile.durationNs / 1e9).toFixed(1) + ' s', hz, '', 'Recorded'));
		if (rows.length > 0)
			out.push(fact(plural(rows.length, 'span'), 'with ' +
				Model.formatPercent(inside, w.value)));
		if (w.truncated > 0)
			out.push(fact(Model.formatPercent(w.truncated, w.count), 'truncated', 'warn',
				'Stacks whose outermost callers are missing'));
		if (profile.timeMs > 0)
			out.push(fact('', new Date(profile.timeMs).toISOString().slice(0, 16).replace('T', ' ') +
				' UTC'));
		$('facts').replaceChildren(...out);
	}

	// --- lists ----------------------------------------------------------------------------

	function groupName(dimension, group) {
		const key = Model.DIMENSIONS[dimension].key;

		return group.none ? '(no ' + Model.DIMENSIONS[dimension].one + ')' : group[key[0]];
	}

	function groupDetails(dimension, group) {
		const more = (label) => Array.from(group.more[label] || []).slice(0, 4).join(', ');
		const numbered = (word, n) => n === '' ? '' : word + ' ' + n;
		const parts = {
			span: () => [more('service') || more('process'), group.trace],
			trace: () => [more('service') || more('process')],
			service: () => [more('process')],
			process: () => [numbered('pid', group.pid), more('service')],
			thread: () => [numbered('tid', group.tid), group.process, numbered('pid', group.pid)],
		}[dimension]();

		return parts.filter((p) => p !== '');
	}

	function number(v, whole) {
		const div = make('div', 'num');

		div.append(make('b', '', value(v)));
		div.title = Model.formatPercent(v, whole);
		return div;
	}

	function drawGroup(row, item) {
		const whole = state.groupTotal;
		const name = make('div', 'name', groupName(state.by, item.group));
		const details = make('div', 'sub parts');

		details.append(...groupDetails(state.by, item.group).map((part) =>
			make('span', part === item.group.trace ? 'mono id' : '', part)));

		row.style.setProperty('--share', whole ? item.value / whole : 0);
		row.append(name, number(item.value, whole), details,
			make('div', 'sub num', Model.formatPercent(item.value, whole)));
		row.title = name.textContent + '\n' + groupDetails(state.by, item.group).join(' · ');
	}

	function whereIs(frame) {
		const module = Model.baseName(Model.frameModule(profile, frame));
		const file = Model.frameFile(profile, frame);

		return [module, file && Model.baseName(file)].filter((p) => p).join(' · ');
	}

	function drawFunction(row, item) {
		const whole = state.weights.value;
		const name = Model.frameName(profile, item.frame);
		const other = state.sort === 'self' ? 'total' : 'self';

		row.style.setProperty('--share', whole ? item[state.sort] / whole : 0);
		row.append(make('div', 'name', name),
			make('div', 'num', ''), make('div', 'sub', whereIs(item.frame)),
			make('div', 'sub num', Model.formatPercent(item[other], whole) + ' ' + other));
		row.children[1].append(make('b', '', Model.formatPercent(item[state.sort], whole)),
			' ' + state.sort);
		row.title = name + '\n' + whereIs(item.frame) + '\nself ' + value(item.self) +
			', total ' + value(item.total);
	}

	function drawTabs() {
		const tabs = Object.entries(Model.DIMENSIONS).map(([dimension, d]) => {
			const button = make('button', '', d.title);
			button.type = 'button';
			button.setAttribute('role', 'tab');
			button.setAttribute('aria-selected', dimension === state.by ? 'true' : 'false');
			button.addEventListener('click', () => { state.by = dimension; refresh('groups'); });
			return button;
		});

		$('tabs').replaceChildren(...tabs);
		$('group-filter').placeholder = 'Filter ' + Model.DIMENSIONS[state.by].title.toLowerCase();
		$('group-filter').setAttribute('aria-label', $('group-filter').placeholder);
		$('groups').setAttribute('aria-label', Model.DIMENSIONS[state.by].title);
	}

	function drawGroups() {
		const wanted = $('group-filter').value.toLowerCase();
		const all = Model.groupSums(profile, state.filter, state.by);
		const shown = all.filter((row) => (groupName(state.by, row.group) + ' ' +
			groupDetails(state.by, row.group).join(' ')).toLowerCase().includes(wanted));
		const named = all.filter((row) => !row.group.none).length;

		state.groupTotal = all.reduce((sum, row) => sum + row.value, 0);
		drawTabs();
		$('group-count').textContent = plural(named, Model.DIMENSIONS[state.by].one);
		groups.setItems(shown);
	}

	function drawFunctions() {
		const rows = Model.functionSums(profile, state.weights);

		for (const by of ['self', 'total'])
			$('sort-' + by).setAttribute('aria-pressed', state.sort === by ? 'true' : 'false');
		$('function-count').textContent = Model.formatCount(rows.length);
		functions.setItems(Model.sortFunctions(profile, rows, state.sort));
	}

	// --- toolbar --------------------------------------------------------------------------

	function crumb(text, className, title, action) {
		const button = make('button', className);

		button.type = 'button';
		button.append(text);
		button.title = title;
		button.addEventListener('click', action);
		return button;
	}

	function filterChip(dimension, index) {
		const group = profile.dimensions[dimension].groups[index];
		const text = document.createDocumentFragment();

		if (!group.none)
			text.append(Model.DIMENSIONS[dimension].one + ' ');
		text.append(make('span', 'mono', groupName(dimension, group)));
		return crumb(text, 'chip', 'Only ' + Model.DIMENSIONS[dimension].one + ' ' +
			groupName(dimension, group) + '\n' + groupDetails(dimension, group).join(' · ') +
			'\nClick to show all again', () => toggleFilter(dimension, index));
	}

	function drawCrumbs() {
		const chips = Object.entries(state.filter).map(([d, i]) => filterChip(d, i));
		const path = Model.pathTo(profile, state.zoom);
		const shown = path.length > 5 ? [path[0], path[1], -1, ...path.slice(-2)] : path;
		const out = [...chips];

		shown.forEach((node, i) => {
			if (i > 0)
				out.push(make('span', 'sep', '›'));
			if (node < 0)
				return out.push(make('span', 'sep', '…'));
			const name = Model.nodeName(profile, node);
			const button = crumb(name, 'crumb', name, () => setZoom(node));
			if (node === state.zoom)
				button.setAttribute('aria-current', 'true');
			return out.push(button);
		});
		$('crumbs').replaceChildren(...out);
		$('reset').disabled = isReset();
		$('layout').textContent = state.icicle ? 'Flame graph' : 'Icicle';
		$('colour').value = state.colour;
		$('detail').value = profile.byLine ? 'line' : 'function';
		$('detail').parentElement.hidden = !profile.hasLines;
	}

	function isReset() {
		return Object.keys(state.filter).length === 0 && state.zoom === Model.ROOT &&
			state.search === '' && state.fn < 0;
	}

	function drawLegend() {
		const sums = Model.kindSums(profile, state.weights);
		const items = Model.KINDS.filter((kind) => sums[kind] > 0).map((kind) => {
			const li = make('li');
			const swatch = li.appendChild(make('i'));
			swatch.style.background = flame.colourOfKind(kind);
			swatch.hidden = state.colour !== 'kind';
			li.append(KIND_NAMES[kind], make('b', '', Model.formatPercent(sums[kind],
				state.weights.value)));
			li.title = 'Share of the time that was spent in this kind of code itself';
			return li;
		});

		$('legend').replaceChildren(...items);
	}

	// --- what is hovered ------------------------------------------------------------------

	function describe(node) {
		const w = state.weights;

		return Model.nodeName(profile, node) + ': total ' + value(w.total[node]) + ' (' +
			Model.formatPercent(w.total[node], w.value) + '), self ' + value(w.self[node]) + ' (' +
			Model.formatPercent(w.self[node], w.value) + ')';
	}

	function tooltipRow(list, name, v) {
		const zoomed = state.weights.total[state.zoom];

		list.append(make('dt', '', name), make('dd', '', value(v)),
			make('dd', '', Model.formatPercent(v, state.weights.value)),
			make('dd', 'note', state.zoom === Model.ROOT ? '' :
				Model.formatPercent(v, zoomed) + ' of zoom'));
	}

	function tooltipWhere(node, details) {
		const frame = profile.frame[node];
		const inlined = details.inlined === 0 ? '' :
			details.inlined === state.weights.total[node] ? 'inlined' : 'inlined in part';
		const kind = Model.frameKind(profile, frame);
		const what = { truncated: 'callers above this point are not known',
			unresolved: 'no name is known for this address' }[kind] || kind;

		return [Model.frameModule(profile, frame), Model.frameFile(profile, frame), inlined, what]
			.filter((p) => p !== '').join(' · ');
	}

	// The lines of a function that its time went to or through, hottest first.
	function tooltipLines(list, node, { lines }) {
		const file = profile.strings[profile.frames.file[profile.frame[node]]];
		const name = (line) => line.file === file ? 'Line ' + line.at :
			Model.baseName(line.file) + ':' + line.at;
		const known = profile.byLine ? [] : lines.filter((line) => line.at > 0);

		for (const line of known.slice(0, LINES_SHOWN))
			list.append(make('dt', '', name(line)), make('dd', '', value(line.value)),
				make('dd', '', Model.formatPercent(line.value, state.weights.value)),
				make('dd', 'note', ''));
		if (known.length > LINES_SHOWN)
			list.append(make('dt', '', plural(known.length - LINES_SHOWN, 'more line')),
				make('dd'), make('dd'), make('dd', 'note', ''));
	}

	function fillTooltip(box) {
		const list = make('dl');
		const tip = $('tooltip');

		if (box.node < 0) {
			tip.replaceChildren(make('div', 'where', box.rest === 1 ? '1 frame' : plural(box.rest,
				'frame') + ', too thin to draw: zoom in to see them'));
			return;
		}
		tip.replaceChildren(make('div', 'name', Model.nodeName(profile, box.node)));
		tooltipRow(list, 'Total', state.weights.total[box.node]);
		tooltipRow(list, 'Self', state.weights.self[box.node]);
		if (box.node !== Model.ROOT) {
			const details = Model.nodeDetails(profile, state.weights, box.node);
			tip.append(make('div', 'where', tooltipWhere(box.node, details)));
			tooltipLines(list, box.node, details);
		}
		tip.append(list);
	}

	function showTooltip(box, event) {
		const tip = $('tooltip');

		tip.hidden = !box;
		if (!box)
			return;
		if (box !== showTooltip.box || state.weights !== showTooltip.weights)
			fillTooltip(box);
		showTooltip.box = box;
		showTooltip.weights = state.weights;
		const { width, height } = tip.getBoundingClientRect();
		const x = Math.min(event.clientX + 14, innerWidth - width - 8);
		const below = event.clientY + 18 + height < innerHeight;
		tip.style.left = Math.max(8, x) + 'px';
		tip.style.top = Math.max(8, below ? event.clientY + 18 : event.clientY - height - 12) + 'px';
	}

	// --- what changes ---------------------------------------------------------------------

	function marked() {
		if (state.fn < 0)
			return Model.searchFrames(profile, state.search);
		const out = new Uint8Array(profile.nFrames);
		out[state.fn] = 1;
		return out;
	}

	function drawFlame() {
		const matches = marked();

		flame.show(profile, { weights: state.weights, zoom: state.zoom, marked: matches,
			by: state.colour, icicle: state.icicle });
		const sum = matches ? Model.matchedValue(profile, state.weights, matches) : 0;
		const percent = Model.formatPercent(sum, state.weights.value);
		$('search-result').textContent = state.search !== '' && state.fn < 0 ? percent : '';
		$('status').textContent = !matches ? '' : state.fn >= 0 ?
			Model.frameName(profile, state.fn) + ': ' + value(sum) + ' (' + percent + ')' :
			'Matches: ' + value(sum) + ' (' + percent + ')';
		$('empty').hidden = state.weights.value !== 0;
		$('empty').textContent = 'No samples: nothing was using a CPU, or no sample meets all filters.';
	}

	// Other boxes for the same samples: what was zoomed to or marked is not there any more.
	function setDetail(byLine) {
		if (byLine === profile.byLine)
			return;
		profile = Model.load(raw, byLine);
		Object.assign(state, { zoom: Model.ROOT, fn: -1 });
		showTooltip(null);
	}

	// what: 'all' (other samples), 'groups', 'functions', 'mark' (the same samples)
	function refresh(what) {
		if (what === 'all') {
			state.weights = Model.weigh(profile, state.filter);
			if (state.weights.total[state.zoom] === 0)
				state.zoom = Model.ROOT;
			drawLegend();
		}
		if (what === 'all' || what === 'groups')
			drawGroups();
		if (what === 'all' || what === 'functions')
			drawFunctions();
		if (what === 'mark')
			functions.render();
		drawCrumbs();
		drawFlame();
		writeHash();
	}

	function setZoom(node) {
		state.zoom = node;
		showTooltip(null);
		refresh('zoom');
	}

	// The list keeps its place: only which row is selected has changed.
	function toggleFilter(dimension, index) {
		const keep = dimension === state.by ? $('groups').scrollTop : 0;
		const active = groups.active;

		if (state.filter[dimension] === index)
			delete state.filter[dimension];
		else
			state.filter[dimension] = index;
		$('notice').hidden = true;
		refresh('all');
		groups.active = dimension === state.by ? active : -1;
		$('groups').scrollTop = keep;
		groups.render();
	}

	function reset() {
		Object.assign(state, { filter: {}, zoom: Model.ROOT, search: '', fn: -1 });
		$('search').value = '';
		refresh('all');
	}

	// One thing at a time, the most recent kind first.
	function escape() {
		if (state.fn >= 0) {
			state.fn = -1;
			refresh('mark');
		} else if (state.search !== '') {
			setSearch('');
			$('search').value = '';
		} else if (state.zoom !== Model.ROOT) {
			setZoom(Model.ROOT);
		} else if (!isReset()) {
			reset();
		}
	}

	function setSearch(text) {
		state.search = text;
		state.fn = -1;
		refresh('mark');
	}

	// --- links ----------------------------------------------------------------------------

	function writeHash() {
		const hash = Model.formatHash(Object.assign(Model.hashOfFilter(profile, state.filter), {
			q: state.search,
			fn: state.fn >= 0 ? state.fn : '',
			zoom: state.zoom || '',
			by: state.by === firstDimension() ? '' : state.by,
			sort: state.sort === 'self' ? '' : state.sort,
			layout: state.icicle ? 'icicle' : '',
			detail: profile.byLine === raw.by_line ? '' : profile.byLine ? 'line' : 'function',
			colour: state.colour === 'kind' ? '' : state.colour,
		}));

		if (hash === location.hash.slice(1))
			return;
		try {
			history.replaceState(null, '', hash ? '#' + hash : location.pathname + location.search);
		} catch (e) {
			return; // some browsers forbid it for files: the page works, its link stays as it was
		}
	}

	function firstDimension() {
		const has = (dimension) => profile.dimensions[dimension].groups.some((g) => !g.none);

		return Object.keys(Model.DIMENSIONS).find(has) || 'span';
	}

	function indexIn(text, n) {
		return /^\d+$/.test(text || '') && Number(text) < n ? Number(text) : -1;
	}

	function readHash() {
		const link = Model.parseHash(location.hash);
		const { filter, missing } = Model.filterOfHash(profile, link);

		setDetail(link.detail === 'line' || (link.detail !== 'function' && raw.by_line));
		state.filter = filter;
		state.search = link.q || '';
		state.fn = indexIn(link.fn, profile.nFrames);
		state.zoom = Math.max(indexIn(link.zoom, profile.nNodes), Model.ROOT);
		state.by = Object.keys(Model.DIMENSIONS).includes(link.by) ? link.by : firstDimension();
		state.sort = link.sort === 'total' ? 'total' : 'self';
		state.icicle = link.layout === 'icicle';
		state.colour = link.colour === 'module' ? 'module' : 'kind';
		$('search').value = state.search;
		$('notice').hidden = missing.length === 0;
		$('notice').textContent = missing.map((d) => 'This profile has no ' +
			Model.DIMENSIONS[d].one + ' ' + Model.DIMENSIONS[d].key.map((k) => link[k])
			.filter((v) => v).join(' ') + '.').join(' ') + ' Everything is shown.';
		refresh('all');
	}

	// --- events ---------------------------------------------------------------------------

	function onKey(event) {
		const typing = /^(INPUT|SELECT)$/.test(event.target.tagName);
		const find = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'f';

		if (find || (event.key === '/' && !typing)) {
			event.preventDefault();
			$('search').focus();
			$('search').select();
		} else if (event.key === 'Escape') {
			event.preventDefault();
			if (event.target === $('group-filter') && $('group-filter').value !== '') {
				$('group-filter').value = '';
				drawGroups();
			} else {
				escape();
			}
		} else if (event.key === 'i' && !typing && !event.ctrlKey && !event.metaKey) {
			toggleLayout();
		}
	}

	function toggleLayout() {
		state.icicle = !state.icicle;
		refresh('layout');
	}

	function dragDivider(event) {
		const move = (e) => {
			$('side').style.width = Math.max(220, Math.min(innerWidth - 260, e.clientX)) + 'px';
		};

		event.preventDefault();
		$('divider').setPointerCapture(event.pointerId);
		$('divider').addEventListener('pointermove', move);
		$('divider').addEventListener('pointerup', () =>
			$('divider').removeEventListener('pointermove', move), { once: true });
	}

	function listen() {
		document.addEventListener('keydown', onKey);
		window.addEventListener('hashchange', readHash);
		$('search').addEventListener('input', () => setSearch($('search').value));
		$('group-filter').addEventListener('input', drawGroups);
		$('reset').addEventListener('click', reset);
		$('layout').addEventListener('click', toggleLayout);
		$('colour').addEventListener('change', () => {
			state.colour = $('colour').value;
			drawLegend();
			refresh('colour');
		});
		$('detail').addEventListener('change', () => {
			setDetail($('detail').value === 'line');
			refresh('all');
		});
		for (const by of ['self', 'total'])
			$('sort-' + by).addEventListener('click', () => { state.sort = by; refresh('functions'); });
		$('divider').addEventListener('pointerdown', dragDivider);
		matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawLegend);
	}

	drawFacts();
	listen();
	readHash();
})();
