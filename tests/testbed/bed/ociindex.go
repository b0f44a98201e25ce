package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ociIndex is both the list of a layout and an index of one image.
type ociIndex struct {
	SchemaVersion int             `json:"schemaVersion"`
	MediaType     string          `json:"mediaType,omitempty"`
	Manifests     []ociDescriptor `json:"manifests"`
}

type ociDescriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Platform    *ociPlatform      `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type ociPlatform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

const (
	refName       = "org.opencontainers.image.ref.name"
	ociIndexMedia = "application/vnd.oci.image.index.v1+json"
)

// writeIndex puts the images of several architectures together, which umoci
// does not do, and returns its name in the layout.
func writeIndex(layout string, archs []string, names map[string]string) (string, error) {
	listFile := filepath.Join(layout, "index.json")
	data, err := os.ReadFile(listFile)
	if err != nil {
		return "", err
	}
	var list ociIndex
	if err := json.Unmarshal(data, &list); err != nil {
		return "", err
	}
	index, parts := ociIndex{SchemaVersion: 2, MediaType: ociIndexMedia}, []string{"index"}
	for _, arch := range archs {
		at := slices.IndexFunc(list.Manifests, func(d ociDescriptor) bool { return d.Annotations[refName] == names[arch] })
		if at < 0 {
			return "", errors.New("umoci has left no image " + names[arch])
		}
		d := list.Manifests[at]
		d.Annotations, d.Platform = nil, &ociPlatform{Architecture: arch, OS: "linux"}
		index.Manifests = append(index.Manifests, d)
		parts = append(parts, names[arch])
	}
	name := strings.Join(parts, "-")
	if slices.ContainsFunc(list.Manifests, func(d ociDescriptor) bool { return d.Annotations[refName] == name }) {
		return name, nil
	}
	text, err := json.Marshal(index)
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256(text)
	blob := hex.EncodeToString(digest[:])
	if err := os.WriteFile(filepath.Join(layout, "blobs", "sha256", blob), text, 0o644); err != nil {
		return "", err
	}
	list.Manifests = append(list.Manifests, ociDescriptor{
		MediaType: ociIndexMedia, Digest: "sha256:" + blob, Size: int64(len(text)), Annotations: map[string]string{refName: name},
	})
	if data, err = json.Marshal(list); err != nil {
		return "", err
	}
	return name, os.WriteFile(listFile, data, 0o644)
}
