package settings

// This file finds the known name that somebody most likely meant.

// Nearest returns the known name with the smallest edit distance to name; the first of equals.
func Nearest(name string, known []string) (best string) {
	least := -1
	for _, k := range known {
		if d := distance(name, k); least < 0 || d < least {
			best, least = k, d
		}
	}
	return best
}

// distance is the optimal string alignment distance in bytes: insertions, deletions, substitutions
// and swaps of neighbours cost one each.
func distance(a, b string) int {
	rows := [3][]int{} // the row before the last, the last, the present one
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
	}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		two, one, cur := rows[0], rows[1], rows[2]
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			change := one[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			cur[j] = min(one[j]+1, cur[j-1]+1, change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], two[j-2]+1)
			}
		}
		rows[0], rows[1], rows[2] = one, cur, two
	}
	return rows[1][len(b)]
}
