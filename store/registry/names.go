package registry

import "math/rand/v2"

// weighted is a list in which the earlier entries are the more frequent, roughly
// as in the country.
type weighted []string

func (w weighted) pick(r *rand.Rand) string {
	// The square of a uniform number favours the head of the list.
	u := r.Float64()
	return w[int(u*u*float64(len(w)))]
}

var (
	familyNames = weighted{"Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Huỳnh", "Phan", "Vũ", "Võ", "Đặng", "Bùi", "Đỗ", "Hồ", "Ngô", "Dương", "Lý", "Đinh", "Trương", "Mai", "Tô", "Nông", "Lò", "Hà", "Cao", "Quách", "Thạch", "Kim", "Sơn", "Y", "Rơ Châm"}
	middleMen   = weighted{"Văn", "Đức", "Minh", "Quốc", "Hữu", "Công", "Thanh", "Xuân", "Ngọc", "Anh", "Quang", "Trung", "Bá", "Đình", "Gia", "Mạnh"}
	middleWomen = weighted{"Thị", "Thị Ngọc", "Thị Thanh", "Ngọc", "Thu", "Phương", "Thị Kim", "Minh", "Bảo", "Khánh", "Thị Hồng", "Diệu", "Quỳnh", "Thị Mỹ"}
	givenMen    = weighted{"Hùng", "Dũng", "Nam", "Tuấn", "Minh", "Hải", "Long", "Thắng", "Sơn", "Phúc", "Khánh", "Huy", "Đạt", "Quân", "Kiên", "Trường", "Bình", "Hiếu", "Thịnh", "Vinh", "Khoa", "Tâm", "Lộc", "Nghĩa", "Tiến"}
	givenWomen  = weighted{"Hương", "Lan", "Linh", "Trang", "Hoa", "Thảo", "Hà", "Mai", "Ngân", "Hạnh", "Yến", "Nhung", "Hòa", "Vy", "My", "Thủy", "Quỳnh", "Châu", "Duyên", "Oanh", "Tuyết", "Loan", "Ngọc", "Uyên", "Diễm"}
	foreign     = []struct{ name, country string }{
		{"KIM MIN-JUN", "KOR"}, {"SATO YUKI", "JPN"}, {"WANG LI", "CHN"}, {"SMITH JOHN", "GBR"}, {"MARTIN CLAIRE", "FRA"}, {"SINGH AMRIT", "IND"}, {"SOMCHAI DEE", "THA"}, {"MILLER ANNA", "DEU"},
	}
	ethnicities = weighted{"Kinh", "Kinh", "Kinh", "Kinh", "Kinh", "Kinh", "Tày", "Thái", "Mường", "Khmer", "Nùng", "Mông", "Dao", "Hoa", "Gia Rai", "Ê Đê", "Chăm", "Ba Na"}
	religions   = weighted{"không", "không", "không", "không", "không", "Phật giáo", "Công giáo", "Cao Đài", "Phật giáo Hòa Hảo", "Tin Lành"}
	communes    = weighted{"Trung Tâm", "Tân Lập", "Bình Minh", "Hòa Bình", "Tân Phú", "An Bình", "Thạnh Mỹ", "Đông Hải", "Phú Xuân", "Vĩnh Thạnh", "Long Hòa", "Xuân Lộc", "Đại Lộc", "Tam Kỳ", "Yên Sơn", "Kim Sơn"}
	streets     = weighted{"Lê Lợi", "Trần Hưng Đạo", "Nguyễn Huệ", "Hai Bà Trưng", "Quang Trung", "Lý Thường Kiệt", "Phan Chu Trinh", "Bạch Đằng", "Hùng Vương", "Ngô Quyền", "Lê Duẩn", "Điện Biên Phủ"}
)

func fullName(r *rand.Rand, family string, female bool) string {
	if female {
		return family + " " + middleWomen.pick(r) + " " + givenWomen.pick(r)
	}
	return family + " " + middleMen.pick(r) + " " + givenMen.pick(r)
}
