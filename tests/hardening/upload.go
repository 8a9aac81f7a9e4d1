// Sends a photo as Go programs do: mime/multipart, written into a pipe (chunked) and into a buffer.
// Arguments: the address, the key, the photo. Prints both statuses.
package main

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
)

func write(form *multipart.Writer) {
	part, _ := form.CreateFormFile("file", "photo.jpg")
	photo, _ := os.Open(os.Args[3])
	io.Copy(part, photo)
	form.Close()
}

func send(body io.Reader, kind string) {
	request, _ := http.NewRequest("POST", os.Args[1], body)
	request.Header.Set("Content-Type", kind)
	request.Header.Set("x-api-key", os.Args[2])
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(answer.StatusCode)
}

func main() {
	reader, writer := io.Pipe()
	form := multipart.NewWriter(writer)
	go func() {
		write(form)
		writer.Close()
	}()
	send(reader, form.FormDataContentType())
	var buffer bytes.Buffer
	form = multipart.NewWriter(&buffer)
	write(form)
	send(&buffer, form.FormDataContentType())
}
