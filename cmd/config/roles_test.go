package config

// The check of roles wants more than its type says.
func init() { samples["roles"] = [3]string{"provider", "broker,log", "portal"} }
