// SPDX-License-Identifier: Apache-2.0
// A list of any length that has only its visible rows in the page.
'use strict';

var List = (function () {
	const SPARE_ROWS = 4;

	// options: rowHeight, draw(row element, item), isSelected(item), choose(item), nothing: text
	function List(element, options) {
		this.element = element;
		this.options = options;
		this.items = [];
		this.active = -1;
		this.space = element.appendChild(make('div', 'space'));
		element.addEventListener('scroll', () => this.render());
		element.addEventListener('keydown', (e) => this.key(e));
		element.addEventListener('click', (e) => this.click(e));
		new ResizeObserver(() => this.render()).observe(element);
	}

	List.prototype.setItems = function (items) {
		this.items = items;
		this.active = -1;
		this.element.scrollTop = 0;
		this.render();
	};

	List.prototype.render = function () {
		const { rowHeight, nothing } = this.options;
		const top = this.element.scrollTop;
		const first = Math.max(0, Math.floor(top / rowHeight) - SPARE_ROWS);
		const last = Math.min(this.items.length,
			Math.ceil((top + this.element.clientHeight) / rowHeight) + SPARE_ROWS);
		const rows = [];

		this.space.style.height = this.items.length * rowHeight + 'px';
		for (let i = first; i < last; i++)
			rows.push(this.row(i));
		if (this.items.length === 0)
			rows.push(make('p', 'nothing', nothing));
		this.space.replaceChildren(...rows);
		this.announce();
	};

	List.prototype.row = function (i) {
		const { rowHeight, draw, isSelected } = this.options;
		const row = make('div', i === this.active ? 'row active' : 'row');

		row.id = this.element.id + '-' + i;
		row.setAttribute('role', 'option');
		row.setAttribute('aria-selected', isSelected(this.items[i]) ? 'true' : 'false');
		row.setAttribute('aria-setsize', this.items.length);
		row.setAttribute('aria-posinset', i + 1);
		row.style.top = i * rowHeight + 'px';
		row.style.height = rowHeight + 'px';
		row.dataset.index = i;
		draw(row, this.items[i]);
		return row;
	};

	List.prototype.announce = function () {
		if (this.active >= 0)
			this.element.setAttribute('aria-activedescendant', this.element.id + '-' + this.active);
		else
			this.element.removeAttribute('aria-activedescendant');
	};

	List.prototype.click = function (event) {
		const row = event.target.closest('.row');

		if (!row)
			return;
		this.active = Number(row.dataset.index);
		this.options.choose(this.items[this.active]);
	};

	List.prototype.key = function (event) {
		const page = Math.max(1, Math.floor(this.element.clientHeight / this.options.rowHeight) - 1);
		const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page,
			Home: -Infinity, End: Infinity };

		if (event.key in steps) {
			event.preventDefault();
			this.move(steps[event.key]);
		} else if ((event.key === 'Enter' || event.key === ' ') && this.items[this.active]) {
			event.preventDefault();
			this.options.choose(this.items[this.active]);
		}
	};

	List.prototype.move = function (step) {
		const { rowHeight } = this.options;
		const view = this.element.clientHeight;

		if (this.items.length === 0)
			return;
		this.active = Math.max(0, Math.min(this.items.length - 1, this.active + step));
		const top = this.active * rowHeight;
		if (top < this.element.scrollTop)
			this.element.scrollTop = top;
		else if (top + rowHeight > this.element.scrollTop + view)
			this.element.scrollTop = top + rowHeight - view;
		this.render();
	};

	function make(tag, className, text) {
		const element = document.createElement(tag);

		if (className)
			element.className = className;
		if (text !== undefined)
			element.textContent = text;
		return element;
	}

	List.make = make;
	return List;
})();
