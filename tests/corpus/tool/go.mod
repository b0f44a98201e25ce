module glooistio/corpus

go 1.26
