package main

import "context"

func (b *bench) link(context.Context) error { return nil }
