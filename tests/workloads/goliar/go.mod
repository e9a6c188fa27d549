module spanprof/tests/goliar

go 1.21
