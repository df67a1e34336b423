package fsblob

// OnStep has fn told of each step of Put and Delete. Production code has no way to set it.
func OnStep(d *Driver, fn func(step string)) { d.reached = fn }
