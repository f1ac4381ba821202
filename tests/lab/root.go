package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// mountRoot lays a writable layer in memory over a root that must stay as it
// is, with /proc and /dev in it, in a new folder whose name starts with name.
// All of it is in this namespace alone.
func mountRoot(base, name string) (string, error) {
	dir, err := os.MkdirTemp("", name)
	if err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // Asterisk's own user passes through
		return "", err
	}
	root := filepath.Join(dir, "root")
	for _, sub := range []string{"upper", "work", "root"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			return "", err
		}
	}
	layers := fmt.Sprintf("lowerdir=%s,upperdir=%s/upper,workdir=%s/work", overlayPath(base), dir, dir)
	if err := unix.Mount("overlay", root, "overlay", 0, layers); err != nil {
		return "", fmt.Errorf("mount an overlay over %s: %w; the kernel needs overlayfs", base, err)
	}
	if err := unix.Mount("proc", filepath.Join(root, "proc"), "proc", 0, ""); err != nil {
		return "", fmt.Errorf("mount /proc in %s: %w", root, err)
	}
	return root, bind("/dev", filepath.Join(root, "dev"))
}

// overlayPath escapes what means something in overlayfs's options.
func overlayPath(path string) string {
	return strings.NewReplacer(`\`, `\\`, ",", `\,`, ":", `\:`).Replace(path)
}

// bind makes outside appear at inside, which is created as what outside is.
func bind(outside, inside string) error {
	info, err := os.Stat(outside)
	if err != nil {
		return fmt.Errorf("mount into a root: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(inside), 0o755); err != nil {
		return err
	}
	if info.IsDir() {
		err = os.MkdirAll(inside, 0o755)
	} else {
		err = os.WriteFile(inside, nil, 0o755)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := unix.Mount(outside, inside, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("mount %s at %s: %w", outside, inside, err)
	}
	return nil
}

// unmountRoot takes the root down with all that is mounted in it. What an AGI
// program still holds open goes when that program goes.
func unmountRoot(root string) error {
	if root == "" {
		return nil
	}
	if err := unix.Unmount(root, unix.MNT_DETACH); err != nil {
		return err
	}
	return os.RemoveAll(filepath.Dir(root))
}
