package trust

import "fmt"

const aadSecret = "linkspan secret by service key"

// Seal encrypts a secret that an instance keeps for others (a credential's) under the service master key.
func (k *Keeper) Seal(secret []byte) ([]byte, error) {
	return seal(k.opts.Rand, k.opts.Service[:], secret, aadSecret)
}

// Unseal reverses Seal. It errs when the service master key is another one.
func (k *Keeper) Unseal(box []byte) ([]byte, error) {
	secret, err := unseal(k.opts.Service[:], box, aadSecret)
	if err != nil {
		return nil, fmt.Errorf("open a stored secret: %w; store it anew with ALTER CREDENTIAL", err)
	}
	return secret, nil
}
