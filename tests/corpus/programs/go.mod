module corpus

go 1.19

require golang.org/x/crypto v0.0.0

replace golang.org/x/crypto => ./stand-in
