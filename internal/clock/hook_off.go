//go:build !clockhook

package clock

func product() Clock { return Machine }
