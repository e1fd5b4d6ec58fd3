package nation

import (
	"math/rand/v2"
	"sort"
	"strings"
)

// frequent is a list of words with how often each occurs.
type frequent struct {
	words []string
	upTo  []int
}

// often reads pairs of word and frequency.
func often(pairs ...any) frequent {
	var f frequent
	sum := 0
	for i := 0; i < len(pairs); i += 2 {
		sum += pairs[i+1].(int)
		f.words, f.upTo = append(f.words, pairs[i].(string)), append(f.upTo, sum)
	}
	return f
}

// falling gives the earlier words more weight, gently.
func falling(words ...string) frequent {
	var f frequent
	sum := 0
	for i, w := range words {
		sum += 2*len(words) - i
		f.words, f.upTo = append(f.words, w), append(f.upTo, sum)
	}
	return f
}

func (f frequent) pick(r *rand.Rand) string {
	u := r.IntN(f.upTo[len(f.upTo)-1])
	return f.words[sort.SearchInts(f.upTo, u+1)]
}

var (
	// Family names in thousandths, roughly as in the country: the first ten are
	// nine in ten persons.
	familyNames = often("Nguyễn", 384, "Trần", 121, "Lê", 95, "Phạm", 70, "Hoàng", 27, "Huỳnh", 24, "Phan", 45, "Vũ", 21, "Võ", 18,
		"Đặng", 21, "Bùi", 20, "Đỗ", 14, "Hồ", 13, "Ngô", 13, "Dương", 10, "Lý", 5, "Đinh", 8, "Trương", 10, "Mai", 6, "Tô", 4, "Nông", 4,
		"Lò", 4, "Hà", 6, "Cao", 5, "Quách", 2, "Thạch", 3, "Kim", 2, "Lương", 6, "Đào", 7, "Đoàn", 7, "Trịnh", 6, "Lâm", 5, "Tạ", 3,
		"Châu", 3, "Hứa", 1, "Giàng", 2, "Vàng", 2, "Rơ Châm", 1, "Tôn Nữ", 1)
	middleMen = often(
		"Văn", 30, "Đức", 8, "Minh", 9, "Quốc", 7, "Hữu", 6, "Công", 4, "Thanh", 5, "Xuân", 4, "Ngọc", 4, "Anh", 3, "Quang", 4, "Trung",
		2, "Bá", 2, "Đình", 4, "Gia", 4, "Mạnh", 2, "Hoàng", 3,
	)
	middleWomen = often(
		"Thị", 36, "Thị Ngọc", 5, "Thị Thanh", 6, "Ngọc", 8, "Thu", 5, "Phương", 5, "Thị Kim", 4, "Minh", 5, "Bảo", 4, "Khánh", 3,
		"Thị Hồng", 5, "Diệu", 2, "Quỳnh", 3, "Thị Mỹ", 4, "Hoài", 2,
	)
	givenMen = falling(
		"Hùng", "Dũng", "Nam", "Tuấn", "Minh", "Hải", "Long", "Thắng", "Sơn", "Phúc", "Khánh", "Huy", "Đạt", "Quân", "Kiên", "Trường",
		"Bình", "Hiếu", "Thịnh", "Vinh", "Khoa", "Tâm", "Lộc", "Nghĩa", "Tiến", "Đông", "Hoà", "Hòa", "Bảo", "Khôi", "Thuỵ",
	)
	givenWomen = falling(
		"Hương", "Lan", "Linh", "Trang", "Hoa", "Thảo", "Hà", "Mai", "Ngân", "Hạnh", "Yến", "Nhung", "Hòa", "Hoà", "Vy", "My", "Thủy",
		"Thuỷ", "Quỳnh", "Châu", "Duyên", "Oanh", "Tuyết", "Loan", "Ngọc", "Uyên", "Diễm", "Nguyệt", "Ánh", "Bích",
	)
	religions = often("không", 860, "Phật giáo", 48, "Công giáo", 61, "Cao Đài", 6, "Phật giáo Hòa Hảo", 10, "Tin Lành", 10, "Hồi giáo", 1)
	streets   = falling(
		"Lê Lợi", "Trần Hưng Đạo", "Nguyễn Huệ", "Hai Bà Trưng", "Quang Trung", "Lý Thường Kiệt", "Phan Chu Trinh", "Bạch Đằng",
		"Hùng Vương", "Ngô Quyền", "Lê Duẩn", "Điện Biên Phủ", "Cách Mạng Tháng Tám", "Hoà Bình", "Nguyễn Thị Minh Khai", "3 Tháng 2",
	)
	communes = falling(
		"Trung Tâm", "Tân Lập", "Bình Minh", "Hòa Bình", "Hoà Bình", "Tân Phú", "An Bình", "Thạnh Mỹ", "Đông Hải", "Phú Xuân", "Vĩnh Thạnh",
		"Long Hòa", "Xuân Lộc", "Đại Lộc", "Tam Kỳ", "Yên Sơn", "Kim Sơn", "Ea Kly", "Mường Lay", "Thủy Xuân", "Quảng Phú", "Nghĩa Trung",
	)
	districts = falling(
		"Bình Sơn", "Yên Lập", "Phú Lộc", "Châu Thành", "Vĩnh Bảo", "Thạch Thất", "Krông Pắc", "Mường La", "Tân Hiệp", "Gò Dầu",
		"Đức Trọng", "Hoà Vang", "Hòa An", "Kim Bôi",
	)
	trades = falling("Thương mại", "Xây dựng", "Thuỷ sản", "Du lịch", "Vận tải", "Công nghệ", "Dệt may", "Nông sản", "Cơ khí", "Giáo dục")

	// ethnicities are the 54 peoples of the official list in thousandths of a
	// percent, roughly as counted in 2019.
	ethnicities = often("Kinh", 85320, "Tày", 1920, "Thái", 1890, "Mường", 1510, "Mông", 1450, "Khmer", 1370, "Nùng", 1130, "Dao", 930,
		"Hoa", 780,
		"Gia Rai", 530, "Ê Đê", 410, "Ba Na", 300, "Sán Chay", 210, "Chăm", 190, "Cơ Ho", 210, "Xơ Đăng", 220, "Sán Dìu", 190, "Hrê", 150,
		"Mnông", 130,
		"Ra Glai", 150, "Xtiêng", 100, "Bru Vân Kiều", 100, "Thổ", 90, "Khơ Mú", 90, "Cơ Tu", 80, "Giáy", 70, "Gié Triêng", 70, "Tà Ôi",
		60, "Mạ", 50,
		"Co", 40, "Chơ Ro", 30, "Xinh Mun", 30, "Hà Nhì", 30, "Chu Ru", 20, "Lào", 20, "Kháng", 20, "La Chí", 20, "Phù Lá", 10, "La Hủ",
		10, "La Ha", 10,
		"Pà Thẻn", 10, "Chứt", 8, "Lự", 7, "Lô Lô", 5, "Mảng", 5, "Cờ Lao", 4, "Bố Y", 3, "Cống", 3, "Ngái", 2, "Si La", 1, "Pu Péo", 1,
		"Rơ Măm", 1, "Brâu", 1, "Ơ Đu", 1)

	foreign = []origin{
		{"KOR", "Busan", []string{"KIM", "LEE", "PARK", "CHOI"}, []string{"MIN JUN", "DO YUN"}, []string{"SEO YEON", "JI WOO"}},
		{"JPN", "Osaka", []string{"SATO", "SUZUKI", "TANAKA"}, []string{"HARUTO", "YUTO"}, []string{"YUKI", "HINA"}},
		{"CHN", "Nanning", []string{"WANG", "LI", "ZHANG"}, []string{"WEI", "JUN"}, []string{"FANG", "MEI"}},
		{"GBR", "Leeds", []string{"SMITH", "JONES", "TAYLOR"}, []string{"JOHN PAUL", "OLIVER"}, []string{"EMILY", "ANN MARIE"}},
		{"FRA", "Lyon", []string{"MARTIN", "D'AUBIGNY", "LEFÈVRE"}, []string{"LOUIS", "RÉMI"}, []string{"CLAIRE", "ZOÉ"}},
		{"IND", "Chennai", []string{"SINGH", "KUMAR"}, []string{"AMRIT", "RAVI"}, []string{"PRIYA", "ANITA"}},
		{"THA", "Udon Thani", []string{"SRISUK", "CHAIYA"}, []string{"SOMCHAI", "ANAN"}, []string{"MALI", "NOK"}},
		{"DEU", "Köln", []string{"MÜLLER", "WEISS"}, []string{"JONAS", "PAUL"}, []string{"ANNA", "LENA"}},
		{"IDN", "Medan", []string{""}, []string{"SUHARTO", "BUDI"}, []string{"SITI", "DEWI"}}, // one name only
	}
)

// origin is a country foreigners come from.
type origin struct {
	country, town string
	family        []string
	men, women    []string
}

func (o origin) name(r *rand.Rand, female bool) string {
	given := o.men
	if female {
		given = o.women
	}
	return strings.TrimSpace(o.family[r.IntN(len(o.family))] + " " + given[r.IntN(len(given))])
}

func fullName(r *rand.Rand, family string, female bool) string {
	if female {
		return family + " " + middleWomen.pick(r) + " " + givenWomen.pick(r)
	}
	return family + " " + middleMen.pick(r) + " " + givenMen.pick(r)
}

// familyName takes the family name back out of a full name, the two-word ones
// included.
func familyName(name string) string {
	for _, family := range []string{"Rơ Châm", "Tôn Nữ"} {
		if strings.HasPrefix(name, family+" ") {
			return family
		}
	}
	first, _, _ := strings.Cut(name, " ")
	return first
}
