module spanprof/tests/golabels

go 1.17
