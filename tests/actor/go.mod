module backstay.test/actor

go 1.26
