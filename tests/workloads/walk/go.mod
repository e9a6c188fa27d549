module spanprof/tests/walk

go 1.22
