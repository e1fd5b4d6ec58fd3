package nation

import "time"

// clan draws a family of up to three generations, a person alone, or a
// foreigner. It draws no more persons than there is room for, and always one.
func (n *nation) clan() []*human {
	switch d := n.r.IntN(100); {
	case d < 8:
		return []*human{n.foreigner()}
	case d < 26:
		h := n.human(n.percent(50), n.day(1950, 2007), 0)
		n.nameFounder(h)
		return []*human{h}
	}
	founder := n.human(n.percent(40), n.day(1936, 2000), 0)
	n.nameFounder(founder)
	members := []*human{founder}
	n.marry(founder, 1, &members)
	for _, h := range members {
		h.findGuardian(members)
	}
	return members
}

func (n *nation) nameFounder(h *human) {
	family := familyNames.pick(n.r)
	h.name = fullName(n.r, family, h.female)
	h.ethnicity, h.religion = ethnicities.pick(n.r), religions.pick(n.r)
	n.settle(h, nil)
}

// settle gives the addresses: a child lives where the parents do, some moved
// and did not register it.
func (n *nation) settle(h *human, parent *human) {
	var at place
	if parent == nil {
		at = n.place()
		h.permanent = at.version(h.legacy)
		h.birthPlace = at.version(h.birth.Format(time.DateOnly) < CurrentList)
	} else {
		h.permanent, h.birthPlace = parent.permanent, parent.birthPlace
		if h.birth.Format(time.DateOnly) >= CurrentList && h.birthPlace.List != CurrentList {
			h.birthPlace = n.place().version(false)
		}
	}
	h.current = h.permanent
	if n.percent(15) || h.current.List == LegacyList {
		if parent == nil && !n.percent(15) {
			h.current = at.version(false) // the same door under its new name
		} else {
			h.current = n.place().version(false)
		}
	}
}

// maxGenerations bounds a clan, and with it memory.
const maxGenerations = 3

// marry may give a spouse and children to a person, and to the children theirs.
func (n *nation) marry(h *human, generation int, members *[]*human) {
	if n.room() == 0 || h.age() < 20 || n.percent(8) {
		return
	}
	apart := n.between(-2, 6) // he is older by so many years, mostly
	if h.female {
		apart = -apart
	}
	year := h.birth.Year() + apart
	// Men marry from 20, women from 18 (Law 52/2014/QH13 Art. 8).
	from := max(h.birth.Year(), year) + 20
	wedding := from + n.r.IntN(8)
	if wedding >= today.Year() || !h.aliveThrough(wedding) {
		return
	}
	spouse := n.human(!h.female, n.day(year, year), wedding)
	spouse.missing = false
	n.nameFounder(spouse)
	if n.percent(90) {
		spouse.ethnicity, spouse.religion = h.ethnicity, h.religion
	}
	spouse.permanent, spouse.current = h.permanent, h.current
	*members = append(*members, spouse)
	h.spouse, spouse.spouse = spouse, h
	h.married = n.day(wedding, wedding)
	if n.percent(4) {
		h.spouse, spouse.spouse, h.married = nil, nil, time.Time{} // never registered
	}
	spouse.married = h.married
	n.bear(h, spouse, wedding, generation, members)
	if h.spouse != nil && h.alive() && spouse.alive() && n.percent(8) {
		h.spouse, spouse.spouse, h.divorced, spouse.divorced = nil, nil, true, true
	}
}

// bear draws the children of a couple, each in a year both lived through.
func (n *nation) bear(a, b *human, wedding, generation int, members *[]*human) {
	mother, father := a, b
	if b.female {
		mother, father = b, a
	}
	family := familyName(father.name)
	year := wedding + 1
	for range []int{0, 1, 1, 2, 2, 2, 2, 3, 3, 4}[n.r.IntN(10)] {
		year += n.r.IntN(4)
		if n.room() == 0 || year > today.Year() || year > mother.birth.Year()+44 || !mother.aliveThrough(year) ||
			!father.aliveThrough(year) {
			return
		}
		child := n.human(n.percent(49), n.day(year, year), 0)
		child.name = fullName(n.r, family, child.female)
		child.ethnicity, child.religion = father.ethnicity, father.religion
		child.mother, child.father, child.adopted = mother, father, n.r.IntN(150) == 0
		child.legacy = child.legacy || father.legacy && child.age() > 2
		n.settle(child, father)
		mother.children, father.children = append(mother.children, child), append(father.children, child)
		*members = append(*members, child)
		year += 2
		if generation < maxGenerations && child.age() >= 22 && n.percent(80) {
			n.marry(child, generation+1, members)
		}
	}
}

// findGuardian names who acts for a child: a parent, or else the nearest adult
// relative who can.
func (h *human) findGuardian(members []*human) {
	if h.adult() || !h.citizen() {
		return
	}
	for _, g := range append([]*human{h.mother, h.father}, members...) {
		if g != nil && g != h && g.adult() && g.alive() {
			h.guardian = g
			return
		}
	}
}

func (n *nation) foreigner() *human {
	h := n.human(n.percent(45), n.day(1958, 2004), today.Year())
	origin := foreign[n.r.IntN(len(foreign))]
	h.country, h.name = origin.country, origin.name(n.r, h.female)
	h.yearOnly, h.legacy, h.missing, h.oldCard, h.ethnicity, h.religion = false, false, false, "", "", ""
	h.numbers = []string{foreignerNumber(h.seq)}
	if n.r.IntN(60) == 0 { // re-issued too
		h.numbers = []string{foreignerNumber(h.seq + 50_000_000), h.numbers[0]}
	}
	h.birthPlace = address{Line: origin.town, Country: origin.country}
	h.permanent = n.place().version(false)
	h.current = h.permanent
	return h
}

// named are the synthetic persons that documentation and tests speak of.
func (n *nation) named() []*human {
	date := func(y, m, d int) time.Time { return time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC) }
	list := []*human{
		{numbers: []string{"099304000017"}, name: "Trần Thị Mẫu An", female: true, birth: date(2004, 2, 29), ethnicity: "Tày"},
		{numbers: []string{"099078000112"}, name: "Lê Văn Mẫu Bình", birth: date(1978, 1, 1), yearOnly: true, ethnicity: "Kinh"},
		{numbers: []string{"099180000305"}, name: "Phạm Thị Mẫu Chi", female: true, birth: date(1980, 11, 5), ethnicity: "Kinh"},
		{numbers: []string{"099317000009"}, name: "Trần Ngọc Mẫu Dương", female: true, birth: date(2017, 6, 1), ethnicity: "Kinh"},
	}
	born := place{
		line: "", legacy: legacyByCode["04"], legacyCommune: "Xã Mẫu", district: "Huyện Hòa An", current: currentByCode["04"],
		commune: "Xã Hòa An",
	}
	lives := place{
		line: "Số 1, đường Mẫu", legacy: legacyByCode["48"], legacyCommune: "Phường Hải Châu I", district: "Quận Hải Châu",
		current: currentByCode["48"], commune: "Phường Hải Châu",
	}
	for _, h := range list {
		h.seq, h.id, h.named, h.religion = n.seq, n.ident("person", n.seq), true, "không"
		h.birthPlace, h.permanent, h.current = born.version(true), lives.version(false), lives.version(false)
		n.seq++
	}
	// The child's mother is Chi, who is also the guardian.
	list[3].mother, list[3].guardian = list[2], list[2]
	list[2].children = []*human{list[3]}
	return list
}
