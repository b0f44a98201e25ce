module glooistio/testbed/bed

go 1.26
