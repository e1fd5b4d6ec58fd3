package view

// RecordFault is why the record of an event is shown and is no evidence, empty where it is
// genuine: one of audit's faults.
type RecordFault string

// RecordFaults lists all.
func RecordFaults() []RecordFault {
	return []RecordFault{"altered", "columns", "unsealed", "unreadable", "misplaced"}
}

// Key is the text in the catalogue.
func (f RecordFault) Key() string { return "record." + string(f) }
