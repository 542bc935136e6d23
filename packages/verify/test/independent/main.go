// Checks a folder that `verify-archive --tlog` wrote with the packages that Go's module tools use for their log. Prints the
// number of entries. The arguments are the folder and the verifier key.
package main

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

// folder reads tiles as C2SP tlog-tiles names them: without their height, which is always 8.
type folder string

func (f folder) Height() int                      { return height }
func (f folder) SaveTiles([]tlog.Tile, [][]byte)  {}
func (f folder) file(path string) ([]byte, error) { return os.ReadFile(filepath.Join(string(f), path)) }
func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		data, err := f.file(strings.Replace(tile.Path(), "tile/8/", "tile/", 1))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func main() {
	size, err := check(folder(os.Args[1]), os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(size)
}

func check(f folder, key string) (int64, error) {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return 0, err
	}
	signed, err := f.file("checkpoint")
	if err != nil {
		return 0, err
	}
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return 0, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		return 0, fmt.Errorf("unexpected checkpoint: %q", opened.Text)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return 0, err
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return 0, fmt.Errorf("unexpected root: %q", lines[2])
	}
	tree := tlog.Tree{N: size}
	copy(tree.Hash[:], root)
	return size, checkEntries(f, tree)
}

// checkEntries reads every tile against the root, compares the hash of each entry with its leaf, and proves every 97th.
func checkEntries(f folder, tree tlog.Tree) error {
	reader := tlog.TileHashReader(tree, f)
	for start := int64(0); start < tree.N; start += 1 << height {
		width := tree.N - start
		if width > 1<<height {
			width = 1 << height
		}
		tile := tlog.Tile{H: height, L: 0, N: start >> height, W: int(width)}
		bundle, err := f.file(strings.Replace(tile.Path(), "tile/8/0/", "tile/entries/", 1))
		if err != nil {
			return err
		}
		var places []int64
		for index := start; index < start+width; index++ {
			places = append(places, tlog.StoredHashIndex(0, index))
		}
		leaves, err := reader.ReadHashes(places)
		if err != nil {
			return err
		}
		for n, leaf := range leaves {
			length := int(binary.BigEndian.Uint16(bundle))
			entry := bundle[2 : 2+length]
			bundle = bundle[2+length:]
			index := start + int64(n)
			if tlog.RecordHash(entry) != leaf {
				return fmt.Errorf("entry %d has another hash than its leaf", index)
			}
			if index%97 != 0 {
				continue
			}
			proof, err := tlog.ProveRecord(tree.N, index, reader)
			if err != nil {
				return err
			}
			if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, leaf); err != nil {
				return fmt.Errorf("entry %d: %w", index, err)
			}
		}
		if len(bundle) != 0 {
			return fmt.Errorf("the bundle of entry %d has more bytes", start)
		}
	}
	return nil
}
