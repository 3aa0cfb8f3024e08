// SPDX-License-Identifier: Apache-2.0
// What Go programs do, in the directory named, printed so that two runs can be compared; then, on
// the port named, an HTTP server.
package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

func goroutines(dir string) {
	var wait sync.WaitGroup
	var lock sync.Mutex
	n := 0
	for i := 0; i < 20000; i++ {
		wait.Add(1)
		go func() {
			defer wait.Done()
			lock.Lock()
			n++
			lock.Unlock()
		}()
	}
	for i := 0; i < 100; i++ {
		wait.Add(1)
		go func(i int) {
			defer wait.Done()
			if e := os.WriteFile(fmt.Sprintf("%s/go%d", dir, i), []byte("hello"), 0644); e != nil {
				fmt.Println(e)
			}
		}(i)
	}
	wait.Wait()
	names, _ := os.ReadDir(dir)
	fmt.Println(n, len(names))
}

func faults(dir string) {
	defer func() {
		fmt.Println("recovered:", recover())
		var st syscall.Stat_t
		fmt.Println(syscall.Stat(dir+"/go1", &st), st.Size)
	}()
	var p *int
	fmt.Println(*p)
}

func main() {
	dir := os.Args[1]
	goroutines(dir)
	out, e := exec.Command("sh", "-c", "echo child; exit 3").Output()
	fmt.Println(string(out), e)
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGUSR1)
	syscall.Kill(os.Getpid(), syscall.SIGUSR1)
	fmt.Println(<-caught)
	faults(dir)
	pid, _, _ := syscall.RawSyscall(syscall.SYS_GETPID, 0, 0, 0)
	_, _, no := syscall.Syscall(9999, 0, 0, 0)
	fmt.Println(int(pid) == os.Getpid(), no)
	ticker := time.NewTicker(time.Millisecond)
	for i := 0; i < 5; i++ {
		<-ticker.C
	}
	fmt.Println("serving")
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "go ", r.URL.Path) })
	fmt.Println(http.ListenAndServe("127.0.0.1:"+os.Args[2], nil))
}
